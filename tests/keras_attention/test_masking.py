"""The masked softmax: exact zeros, rows with nothing to attend to, low precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_attention.masking import masked_softmax, unmasked
from tests import reference
from tests.arrays import length_mask, to_numpy, uniform

B, T, S = 3, 5, 7


def test_lecture_shares() -> None:
    weights = to_numpy(masked_softmax(np.array([[[-0.41, 0.01]]], "float32")))
    np.testing.assert_allclose(weights.round(2), [[[0.40, 0.60]]])


def test_masked_places_are_exactly_zero_and_the_rest_sums_to_one() -> None:
    mask = length_mask([7, 2, 5], S)
    scores = uniform(B, T, S, seed=1, scale=9.0)
    scores[:, :, -1] = 1e4  # in two rows, the largest score is in the padding
    weights = to_numpy(masked_softmax(scores, mask))
    assert np.all(weights[~np.broadcast_to(mask[:, None], weights.shape)] == 0.0)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)


def test_equals_the_formula() -> None:
    mask = np.random.default_rng(2).random((B, T, S)) < 0.6
    scores = uniform(B, T, S, seed=1, scale=4.0)
    weights = to_numpy(masked_softmax(scores, mask))
    for b, t in np.ndindex(B, T):
        expected = reference.softmax(scores[b, t].astype("float64"), mask[b, t])
        np.testing.assert_allclose(weights[b, t], expected, atol=1e-6)


def test_a_row_with_nothing_to_attend_is_all_zeros() -> None:
    mask = length_mask([4, 0, 7], S)
    weights = to_numpy(masked_softmax(uniform(B, T, S, seed=1), mask))
    assert np.all(weights[1] == 0.0)
    np.testing.assert_allclose(weights[[0, 2]].sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_scores_do_not_overflow(dtype: str) -> None:
    scores = keras.ops.cast(np.array([[6e4, 5.9e4, -6e4, 1.0]]), dtype)
    mask = np.array([[True, True, True, False]])
    weights = to_numpy(masked_softmax(scores, mask))
    np.testing.assert_allclose(weights, [[1.0, 0.0, 0.0, 0.0]])


def test_computes_in_float32_for_float16_scores() -> None:
    # exp(-12) is below half of float16's smallest step at 1: a float16 sum would lose it
    scores = np.array([[0.0] + [-8.0] * 10], "float32")
    low = to_numpy(masked_softmax(keras.ops.cast(scores, "float16")))
    high = to_numpy(masked_softmax(scores))
    np.testing.assert_allclose(low, high, rtol=1e-3)


def test_adding_a_constant_changes_nothing() -> None:
    scores = uniform(B, S, seed=1)
    shifted = to_numpy(masked_softmax(scores + 1000.0))
    np.testing.assert_allclose(shifted, to_numpy(masked_softmax(scores)), atol=2e-4)


@pytest.mark.parametrize("shape", [(B, S + 1), (B + 1, S), (S,), (B, T + 1, S)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`mask`.*shape.*Received: mask.shape="):
        masked_softmax(uniform(B, T, S, seed=1), np.ones(shape, bool))


def test_a_mask_of_numbers_is_refused() -> None:
    scores = uniform(B, S, seed=1)
    with pytest.raises(ValueError, match=r"`mask` must be boolean.*Received: mask of float64"):
        masked_softmax(scores, np.zeros((B, S)))
    with pytest.raises(ValueError, match=r"`mask` must be boolean"):
        unmasked(scores, [0.0] * B)
    lists = length_mask([7, 2, 5], S).tolist()
    np.testing.assert_array_equal(masked_softmax(scores, lists)[1, 2:], 0.0)


def test_a_source_of_one_word_gets_everything_without_a_warning() -> None:
    weights = masked_softmax(np.array([[[-3.0]]], "float32"), np.array([[True]]))
    assert to_numpy(weights).item() == 1.0


def test_very_low_scores_still_beat_the_padding() -> None:
    scores = np.array([[-1e10, -1.1e10, 0.0]], "float32")
    weights = to_numpy(masked_softmax(scores, np.array([[True, True, False]])))
    np.testing.assert_array_equal(weights, [[1.0, 0.0, 0.0]])
