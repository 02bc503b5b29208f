"""Bridges: which of the encoder's states, or of its outputs, each start state is computed from."""

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


KINDS_OF_ENCODERS = {  # number of states: those that make up each kind, by states_per_direction
    (1, 1): [[0]],
    (2, 1): [[0, 1]],
    (2, 2): [[0], [1]],
    (4, 2): [[0, 2], [1, 3]],
}


@pytest.mark.parametrize(("number", "told"), KINDS_OF_ENCODERS)
def test_each_start_state_is_computed_from_every_direction(number: int, told: int) -> None:
    bridge: Any = ka.recurrent.Bridge([[6, 6], [2]], states_per_direction=told)
    states = [uniform(B, E, seed=n) for n in range(number)]
    bridge(states)
    randomize(bridge, seed=5)
    h, *c = ([states[i] for i in of_kind] for of_kind in KINDS_OF_ENCODERS[number, told])
    read = [h, *(c or [h]), h]  # a GRU has no c
    for found, own, projection in zip(bridge(states), read, bridge.projections, strict=True):
        kernel, bias = (to_numpy(weight) for weight in projection.weights)
        expected = np.tanh(np.concatenate(own, axis=1) @ kernel + bias)
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-6)


@pytest.mark.parametrize(("number", "told"), KINDS_OF_ENCODERS)
def test_a_copy_holds_every_direction(number: int, told: int) -> None:
    states = [uniform(B, E, seed=n) for n in range(number)]
    h, *c = ([states[i] for i in of_kind] for of_kind in KINDS_OF_ENCODERS[number, told])
    size = E * number // told
    bridge: Any = ka.recurrent.Bridge([[size, size]], "copy", states_per_direction=told)
    for found, own in zip(bridge(states), [h, *(c or [h])], strict=True):
        np.testing.assert_array_equal(to_numpy(found), np.concatenate(own, axis=1))


@pytest.mark.parametrize("layer", [keras.layers.GRU, keras.layers.SimpleRNN, keras.layers.LSTM])
def test_the_states_of_keras_layers_arrive(layer: Any) -> None:
    kinds = 2 if layer is keras.layers.LSTM else 1
    encoder = keras.layers.Bidirectional(layer(E, return_sequences=True, return_state=True))
    memory, *states = encoder(uniform(B, S, M, seed=3))
    bridge: Any = ka.recurrent.Bridge([[2 * E] * kinds], "copy", states_per_direction=kinds)
    h = to_numpy(bridge(states)[0])
    np.testing.assert_allclose(h[:, :E], to_numpy(memory)[:, -1, :E], atol=1e-6)  # forward
    np.testing.assert_allclose(h[:, E:], to_numpy(memory)[:, 0, E:], atol=1e-6)  # backward


@pytest.mark.parametrize(("number", "told"), [(1, 1), (4, 2)])
def test_one_or_four_states_can_be_read_in_one_way_only(number: int, told: int) -> None:
    states = [uniform(B, E, seed=n) for n in range(number)]
    size = E * number // told
    untold: Any = ka.recurrent.Bridge([[size]], "copy")
    bridge: Any = ka.recurrent.Bridge([[size]], "copy", states_per_direction=told)
    np.testing.assert_array_equal(to_numpy(untold(states)[0]), to_numpy(bridge(states)[0]))


@pytest.mark.parametrize("kind", ["dense", "copy"])
def test_two_states_can_be_read_in_two_ways(kind: Any) -> None:
    readings = r"2 for h and c of one direction.*or 1 for h of both directions.*Received: .*=None"
    with pytest.raises(ValueError, match=rf"`states_per_direction` must say.*{readings}"):
        ka.recurrent.Bridge([[E]], kind)(STATES)


def test_nothing_has_to_be_told_where_no_state_is_read() -> None:
    (found,) = ka.recurrent.Bridge([[6]], "zeros")(STATES)
    np.testing.assert_array_equal(to_numpy(found), np.zeros((B, 6)))


@pytest.mark.parametrize("kind", ["dense", "copy"])
def test_a_file_that_does_not_tell_means_h_and_c(kind: Any) -> None:
    bridge: Any = ka.recurrent.Bridge([[E, E]], kind, states_per_direction=2)
    config = bridge.get_config()
    del config["states_per_direction"]
    old: Any = ka.recurrent.Bridge.from_config(config)
    bridge(STATES), old(STATES)
    randomize(bridge, seed=7)
    old.set_weights(bridge.get_weights())
    for one, other in zip(bridge(STATES), old(STATES), strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.parametrize(
    ("told", "states", "message"),
    [
        (None, 3, r"1 or 2 final states per direction.*Received: 3 states"),
        (1, 4, r"1 final states per direction.*Received: 4 states, states_per_direction=1"),
        (2, 1, r"2 final states per direction.*Received: 1 states, states_per_direction=2"),
    ],
)
def test_states_that_are_not_those_of_an_encoder(told: Any, states: int, message: str) -> None:
    with pytest.raises(ValueError, match=rf"`states` must hold {message}"):
        ka.recurrent.Bridge([[6]], states_per_direction=told)([uniform(B, E, seed=1)] * states)


def test_one_state_alone_is_no_list_of_states() -> None:
    with pytest.raises(ValueError, match=r"`states` must be a list.*states.shape=\(3, 4\)"):
        ka.recurrent.Bridge([[6]])(STATES[0])


def test_states_per_direction_is_one_or_two() -> None:
    with pytest.raises(ValueError, match=r"`states_per_direction` must be one of .*Received: .*=3"):
        ka.recurrent.Bridge([[6]], states_per_direction=3)


def test_nested_states_are_those_of_several_layers() -> None:
    pair = [uniform(B, E, seed=1)] * 2
    with pytest.raises(ValueError, match=r"`states` must be a flat list.*Received: nested lists"):
        ka.recurrent.Bridge([[6, 6]])([pair, pair])


@pytest.mark.parametrize("sizes", [6, [6], None])
def test_sizes_are_lists_of_lists(sizes: Any) -> None:
    with pytest.raises(TypeError, match=r"`sizes` must hold one list .*per cell.*Received: sizes="):
        ka.recurrent.Bridge(sizes)
