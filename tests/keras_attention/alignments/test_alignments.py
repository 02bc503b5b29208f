"""From scores to weights, one step at a time, compared with plain NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.attention.registry import ALIGNMENTS
from tests import reference
from tests.arrays import to_numpy
from tests.variants import variants

B, T, S = 3, 4, 7
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
KINDS: dict[str, tuple[Any, Any]] = {
    "hardmax": (ka.alignments.Hardmax(), reference.hardmax),
    "sparsemax": (ka.alignments.Sparsemax(), reference.sparsemax),
    "softmax": (ka.alignments.Softmax(), reference.softmax),
}


def scores(seed: int, scale: float) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(B, T, S)) * scale
    return np.round(drawn, 1).astype("float32")  # so that some are equal


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("mask", [None, MASK], ids=["everywhere", "masked"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_formula(kind: str, mask: np.ndarray | None, scale: float) -> None:
    alignment, expected = KINDS[kind]
    given = scores(3, scale)
    weights = alignment(given, mask)
    for row in range(B):
        for step in range(T):
            own = None if mask is None else mask[row]
            np.testing.assert_allclose(
                to_numpy(weights)[row, step],
                expected(given[row, step].astype("float64"), own),
                atol=1e-6,
            )


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_and_what_is_masked_does_not_matter(kind: str) -> None:
    alignment, _ = KINDS[kind]
    given = scores(5, 2.0)
    changed = np.where(MASK[:, None], given, 1e30).astype("float32")
    first, second = (to_numpy(alignment(x, MASK)) for x in (given, changed))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[:2].sum(axis=-1), 1.0, atol=1e-6)
    assert not first[2].any()


def test_sparsemax_has_exact_zeros_and_follows_a_shift() -> None:
    given = scores(6, 3.0)
    weights = to_numpy(ka.alignments.Sparsemax()(given))
    assert 0.3 < (weights == 0.0).mean() < 1.0
    shifted = to_numpy(ka.alignments.Sparsemax()(given + 1000.0))
    np.testing.assert_allclose(shifted, weights, atol=2e-4)
    flat = to_numpy(ka.alignments.Sparsemax()(np.zeros((1, 1, 5), "float32")))
    np.testing.assert_allclose(flat, 0.2, atol=1e-7)


def test_a_cold_softmax_is_a_hardmax() -> None:
    given = np.random.default_rng(8).normal(size=(B, T, S)).astype("float32")
    cold, hard = (
        to_numpy(x(given, MASK)) for x in (ka.alignments.Softmax(1e-4), ka.alignments.Hardmax())
    )
    np.testing.assert_allclose(cold, hard, atol=1e-6)


def test_the_gradient_of_sparsemax() -> None:
    """Martins and Astudillo 2016, equation 14: on the support, the difference from its mean."""
    given = scores(9, 1.0)[:, :1]
    upstream = np.random.default_rng(10).normal(size=given.shape).astype("float32")
    weights = to_numpy(ka.alignments.Sparsemax()(given, MASK))
    support = weights > 0
    count = np.maximum(support.sum(axis=-1, keepdims=True), 1)
    mean = (upstream * support).sum(axis=-1, keepdims=True) / count
    found = gradient(lambda x: ka.alignments.Sparsemax()(x, MASK), given, upstream)
    np.testing.assert_allclose(found, np.where(support, upstream - mean, 0.0), atol=1e-6)


def gradient(function: Any, x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = tf.reduce_sum(function(tensor) * upstream)
    return np.asarray(tape.gradient(y, tensor))


@variants("kind", ["hardmax", "sparsemax"])
def test_in_the_place_of_the_one_a_model_was_trained_with(kind: str) -> None:
    sizes = {"source_vocabulary": 9, "target_vocabulary": 9, "embedding_size": 4}
    sizes |= {"encoder_units": 3, "decoder_units": 6, "attention_units": 5}
    soft, other = (ka.Seq2Seq(ka.Seq2SeqConfig(**sizes, alignment=x)) for x in ("softmax", kind))
    other.set_weights(soft.get_weights())
    source = np.array([[5, 6, 7, 2], [8, 2, 0, 0]])
    found = other.generate(source, ka.BeamSearch(2), 6)
    weights = to_numpy(found.attention)
    np.testing.assert_allclose(weights.sum(axis=-1)[weights.any(axis=-1)], 1.0, atol=1e-6)
    assert not weights[1, :, :, 2:].any()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(other))
    assert type(again.decoder.attention.alignment).__name__.lower() == kind


def test_an_unknown_alignment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`alignment` must be one of .*alignment='cold'"):
        ka.Seq2SeqConfig(9, 9, alignment="cold")


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_a_keyword_that_is_misspelt_is_no_keyword(name: str) -> None:
    given: dict[str, Any] = {"quary": scores(2, 1.0)}
    with pytest.raises(TypeError, match="quary"):
        ALIGNMENTS[name]().align(scores(1, 1.0), **given)


def test_a_monotonic_window_stops_at_the_last_place_also_after_padding_on_the_left() -> None:
    mask = np.array([[False, False, True, True]])
    weights = ka.alignments.LocalMonotonic(window=1)(np.zeros((1, 5, 4), "float32"), mask)
    expected = [[0.0] * 4, [0, 0, 1, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]]
    np.testing.assert_allclose(to_numpy(weights)[0], expected, atol=1e-6)
