"""Bridges that read the encoded sequence."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, S, M, E = 3, 5, 7, 4
STATES = [uniform(B, E, seed=n) for n in (1, 2)]


def test_the_mean_with_numbers_set_by_hand() -> None:
    bridge: Any = ka.recurrent.Bridge([[1, 1]], kind="mean")
    memory = np.array([[[1.0, 0.0], [3.0, 2.0], [100.0, 100.0]]], "float32")
    mask = np.array([[True, True, False]])
    states = [np.ones((1, E), "float32")] * 2
    bridge(states, memory, memory_mask=mask)
    for projection, kernel, bias in zip(
        bridge.projections, ([[0.1], [0.2]], [[-0.5], [0.0]]), (0.1, 0.3), strict=True
    ):
        projection.set_weights([np.array(kernel), np.array([bias])])
    h, c = bridge(states, memory, memory_mask=mask)  # the mean is (2, 1)
    np.testing.assert_allclose(to_numpy(h), np.tanh([[0.5]]), atol=1e-6)
    np.testing.assert_allclose(to_numpy(c), np.tanh([[-0.7]]), atol=1e-6)


def test_the_mean_counts_no_padding_and_no_states() -> None:
    bridge: Any = ka.recurrent.Bridge([[6, 6], [2]], kind="mean")
    memory, lengths = uniform(B, S, M, seed=3), [5, 2, 0]
    mask = length_mask(lengths, S)
    bridge(STATES, memory, memory_mask=mask)
    randomize(bridge, seed=5)
    found = bridge(STATES, memory, memory_mask=mask)
    assert [tuple(state.shape) for state in found] == [(B, 6), (B, 6), (B, 2)]
    others = [uniform(B, E, seed=n) for n in (8, 9)]
    wild = np.where(mask[:, :, None], memory, np.float32("inf"))
    for one, other in zip(found, bridge(others, wild, memory_mask=mask), strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    for row, length in enumerate(lengths[:2]):
        rows = slice(row, row + 1)
        alone = bridge([x[rows] for x in STATES], memory[rows, :length])
        for one, other in zip(found, alone, strict=True):
            np.testing.assert_allclose(to_numpy(one)[row], to_numpy(other)[0], atol=1e-6)
    for state, projection in zip(found, bridge.projections, strict=True):
        nothing = np.tanh(to_numpy(projection.bias))
        np.testing.assert_allclose(to_numpy(state)[2], nothing, atol=1e-6)


def test_the_mask_of_embeddings_arrives() -> None:
    ids = np.array([[4, 5, 0, 0, 0]])
    embedded = keras.layers.Embedding(7, M, mask_zero=True)(ids)
    bridge: Any = ka.recurrent.Bridge([[6]], kind="mean")
    states = [x[:1] for x in STATES]
    (found,) = bridge(states, memory=embedded)
    (right,) = bridge(states, memory=to_numpy(embedded)[:, :2])
    np.testing.assert_allclose(to_numpy(found), to_numpy(right), atol=1e-6)


def test_the_mean_needs_a_memory() -> None:
    with pytest.raises(ValueError, match=r"`memory` must be.*kind='mean'.*Received: memory=None"):
        ka.recurrent.Bridge([[6]], kind="mean")(STATES)
