"""Alignments that continue from the previous step, compared with plain NumPy, and their limits."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.alignments.linear_recurrence import linear_recurrence
from tests import reference
from tests.arrays import length_mask, to_numpy, uniform

B, T, S, D = 3, 4, 7, 5
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
BIAS = -0.3


def scores(seed: int, scale: float = 2.0) -> np.ndarray:
    return uniform(B, T, S, seed=seed, scale=scale)


def weights_of(alignment: Any, given: np.ndarray, mask: Any = None, **others: Any) -> np.ndarray:
    """The weights of all steps, with the bias that the tests use."""
    alignment(given, mask, **others)
    if hasattr(alignment, "score_bias"):
        alignment.score_bias.assign(BIAS)
    return to_numpy(alignment(given, mask, **others))


def monotonic_reference(given: np.ndarray, mask: Any) -> np.ndarray:
    """Probabilities of stopping (B, T, S), step after step."""
    result = np.zeros(given.shape)
    for row in range(len(given)):
        before = np.eye(given.shape[2])[0]
        for step in range(given.shape[1]):
            p = reference.sigmoid(given[row, step].astype("float64") + BIAS)
            p = p if mask is None else np.where(mask[row], p, 0.0)
            before = result[row, step] = reference.monotonic(p, before)
    return result


def test_numbers_worked_out_by_hand() -> None:
    """p = 1/2 everywhere: stops at j with probability 2^-(j+1), then continues from there."""
    weights = to_numpy(ka.alignments.Monotonic()(np.zeros((1, 2, 3), "float32")))
    np.testing.assert_allclose(weights[0], [[1 / 2, 1 / 4, 1 / 8], [1 / 4, 1 / 4, 3 / 16]])
    hard = ka.alignments.Monotonic("hard")(
        np.array([[[-1.0, 2, 3], [5, -1, 4], [9, 9, -1]]], "float32")
    )
    np.testing.assert_array_equal(to_numpy(hard)[0], [[0, 1, 0], [0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize("mode", ["parallel", "recursive"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["everywhere", "masked"])
def test_soft_monotonic_weights(mode: str, mask: Any) -> None:
    given = scores(1)
    found = weights_of(ka.alignments.Monotonic(mode), given, mask)
    np.testing.assert_allclose(found, monotonic_reference(given, mask), atol=1e-6)


@pytest.mark.parametrize("mask", [None, MASK], ids=["everywhere", "masked"])
def test_hard_monotonic_weights(mask: Any) -> None:
    given = scores(2)
    found = weights_of(ka.alignments.Monotonic("hard"), given, mask)
    for row in range(B):
        before = np.eye(S)[0]
        for step in range(T):
            own = None if mask is None else mask[row]
            before = reference.hard_monotonic(given[row, step] + BIAS, before, own)
            np.testing.assert_array_equal(found[row, step], before)


def test_hard_is_the_limit_of_soft() -> None:
    given = scores(3)
    soft = weights_of(ka.alignments.Monotonic(), 1000.0 * (given + BIAS) - BIAS)
    np.testing.assert_allclose(soft, weights_of(ka.alignments.Monotonic("hard"), given), atol=1e-6)


def test_after_the_end_nothing_is_attended_to() -> None:
    given = np.full((1, 3, S), -50.0, "float32")
    given[0, 0, 2] = 50.0
    for mode in ("hard", "parallel"):
        weights = weights_of(ka.alignments.Monotonic(mode), given)
        np.testing.assert_allclose(weights[0].sum(axis=1), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 30, 500, 2000])
@pytest.mark.parametrize("bias", [-6.0, 0.0, 6.0])
def test_parallel_is_exact_on_long_sources(length: int, bias: float) -> None:
    given = uniform(2, 1, length, seed=4, scale=3.0)
    before = np.zeros((2, length), "float32")
    before[0, 0] = before[1, length // 2] = 0.7
    before[1, length // 3] += 0.3
    layer = ka.alignments.Monotonic(score_bias_init=bias)
    layer.build()
    weights, (state,) = layer.align(keras.ops.convert_to_tensor(given), None, (before,))
    for row in range(2):
        p = reference.sigmoid(given[row, 0].astype("float64") + bias)
        q = np.zeros(length)
        for place in range(length):
            left = (1.0 - p[place - 1]) * q[place - 1] if place else 0.0
            q[place] = left + before[row, place]
        np.testing.assert_allclose(to_numpy(weights)[row, 0], p * q, rtol=2e-5, atol=1e-12)
        np.testing.assert_array_equal(to_numpy(state)[row], to_numpy(weights)[row, 0])


def test_a_division_by_a_clipped_product_is_not_exact() -> None:
    """TensorFlow Addons' formula, `p cumprod(1 - p) cumsum(before / clip(cumprod(1 - p)))`."""
    rng, length, worst = np.random.default_rng(0), 30, 0.0
    layer = ka.alignments.Monotonic()
    layer.build()
    for _ in range(50):
        given = (rng.normal(size=length) + 0.5).astype("float32")
        before = rng.dirichlet(np.ones(length)).astype("float32")
        p = reference.sigmoid(given)
        exact = reference.monotonic(p.astype("float64"), before.astype("float64"))
        went_on = np.cumprod(np.concatenate([[1.0], 1.0 - p[:-1]]), dtype="float32")
        clipped = p * went_on * np.cumsum(before / np.clip(went_on, 1e-10, 1.0))
        worst = max(worst, np.abs(clipped - exact).max())
        weights, _ = layer.align(
            keras.ops.convert_to_tensor(given[None, None]), None, (before[None],)
        )
        np.testing.assert_allclose(to_numpy(weights)[0, 0], exact, atol=1e-6)
    assert worst > 0.02


@pytest.mark.parametrize("length", [1, 5, 8, 33])
def test_a_recurrence_over_a_length_that_no_graph_knows(length: int) -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("lengths are always known")
    decay, x = (uniform(2, length, seed=seed) for seed in (1, 2))
    unknown = tf.TensorSpec((None, None))
    compiled = tf.function(linear_recurrence, input_signature=[unknown, unknown])
    expected = np.zeros((2, length))
    for place in range(length):
        before = expected[:, place - 1] if place else 0.0
        expected[:, place] = decay[:, place] * before + x[:, place]
    np.testing.assert_allclose(compiled(decay, x), expected, atol=1e-6)
    np.testing.assert_allclose(linear_recurrence(decay, x), expected, atol=1e-6)


def test_noise_is_added_in_training_alone() -> None:
    attention = ka.LuongAttention("dot", alignment=ka.alignments.Monotonic(noise=2.0), seed=5)
    query, value = uniform(B, T, D, seed=6), uniform(B, S, D, seed=7)

    def weights(training: bool) -> np.ndarray:
        return to_numpy(attention(query, value, return_attention_scores=True, training=training)[1])

    np.testing.assert_array_equal(weights(False), weights(False))
    one, other = weights(True), weights(True)
    assert np.abs(one - other).max() > 0.1
    assert np.abs(one - weights(False)).max() > 0.1
    memory = attention.prepare(value)
    noise = to_numpy(attention.draw(memory, 50, training=True)["noise"])
    assert abs(noise.mean()) < 0.15
    assert abs(noise.std() - 1.0) < 0.15
    assert attention.draw(memory, 50, training=False) == {}


@pytest.mark.parametrize("w", [1, 2, 3, 9])
@pytest.mark.parametrize("mask", [None, MASK], ids=["everywhere", "masked"])
def test_chunks(w: int, mask: Any) -> None:
    given = scores(8)
    found = weights_of(ka.alignments.MonotonicChunkwise(w), given, mask)
    stopped = monotonic_reference(given, mask)
    for row, step in np.ndindex(B, T):
        own = None if mask is None else mask[row]
        expected = reference.chunkwise(stopped[row, step], given[row, step], w, own)
        np.testing.assert_allclose(found[row, step], expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=2), stopped.sum(axis=2), atol=1e-6)


def test_a_chunk_of_one_place_is_monotonic() -> None:
    given = scores(9)
    chunks = weights_of(ka.alignments.MonotonicChunkwise(1), given, MASK)
    np.testing.assert_allclose(
        chunks, weights_of(ka.alignments.Monotonic(), given, MASK), atol=1e-7
    )


def test_chunks_have_scores_of_their_own() -> None:
    given, query, key = scores(10), uniform(B, T, D, seed=11), uniform(B, S, D, seed=12)
    alignment = ka.alignments.MonotonicChunkwise(3, ka.LuongAttention("dot"))
    found = weights_of(alignment, given, MASK, query=query, key=key)
    stopped, u = monotonic_reference(given, MASK), np.einsum("btd,bsd->bts", query, key)
    for row, step in np.ndindex(B, T):
        expected = reference.chunkwise(stopped[row, step], u[row, step], 3, MASK[row])
        np.testing.assert_allclose(found[row, step], expected, atol=1e-6)


def test_scores_of_their_own_need_query_and_key_in_each_call() -> None:
    alignment = ka.alignments.MonotonicChunkwise(3, ka.LuongAttention("dot"))
    alignment(scores(10), query=uniform(B, T, D, seed=11), key=uniform(B, S, D, seed=12))
    with pytest.raises(ValueError, match=r"`query` and `key` must be given .*query=None, key=None"):
        alignment(scores(10))


def test_a_chunk_with_small_scores_does_not_underflow_beside_another() -> None:
    given = np.array([[[-400.0, -400.0, 0.0, 90.0]]], "float32")
    alignment = ka.alignments.MonotonicChunkwise(2, mode="hard", score_bias_init=399.0)
    np.testing.assert_allclose(to_numpy(alignment(given))[0, 0], [0, 0, 1, 0])
    alignment = ka.alignments.MonotonicChunkwise(2, mode="hard", score_bias_init=401.0)
    np.testing.assert_allclose(to_numpy(alignment(given))[0, 0], [1, 0, 0, 0])
    stop_at_second = np.array([[[-500.0, -400.0, 0.0, 90.0]]], "float32")
    weights = to_numpy(alignment(stop_at_second))[0, 0]
    np.testing.assert_allclose(weights, [0, 1, 0, 0], atol=1e-6)


def test_a_window_that_moves_on() -> None:
    lengths, given = [7, 3, 0], scores(13)
    mask = length_mask(lengths, S)
    found = to_numpy(ka.alignments.LocalMonotonic(1)(given, mask))
    for row, step in np.ndindex(B, T):
        center = max(min(step, lengths[row] - 1), 0)
        expected = reference.local(given[row, step], center, 1, mask[row])
        np.testing.assert_allclose(found[row, step], expected, atol=1e-6)


@pytest.mark.parametrize("units", [None, 3])
def test_a_window_that_the_query_predicts(units: int | None) -> None:
    lengths, given, query = [7, 3, 0], scores(14), uniform(B, T, D, seed=15, scale=3.0)
    mask, window = length_mask(lengths, S), 2
    alignment = ka.alignments.LocalPredictive(window, units)
    found = to_numpy(alignment(given, mask, query=query))
    kernel, v = (to_numpy(x).astype("float64") for x in alignment.weights)
    for row, step in np.ndindex(B, T):
        relative = reference.sigmoid(np.tanh(query[row, step] @ kernel) @ v)
        center = lengths[row] * relative
        near = np.exp(-((np.arange(S) - center) ** 2) / (2 * (window / 2) ** 2))
        expected = reference.local(given[row, step], center, window, mask[row]) * near
        np.testing.assert_allclose(found[row, step], expected, atol=1e-6)


def test_a_wide_window_is_no_window() -> None:
    given = scores(16)
    wide = to_numpy(ka.alignments.LocalMonotonic(100)(given, MASK))
    np.testing.assert_allclose(wide, to_numpy(ka.alignments.Softmax()(given, MASK)), atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ka.alignments.Monotonic("soft"), r"`mode` must be one of .*Received: mode='soft'"),
        (
            lambda: ka.alignments.Monotonic(noise=-1.0),
            r"`noise` must not be negative. Received: noise=-1.0",
        ),
        (lambda: ka.alignments.MonotonicChunkwise(0), r"`chunk_size` must be a positive integer"),
        (
            lambda: ka.alignments.LocalMonotonic(-2),
            r"`window` must be a positive integer. .*window=-2",
        ),
        (lambda: ka.alignments.LocalPredictive(2, 0), r"`units` must be a positive integer"),
        (
            lambda: ka.alignments.LocalPredictive(2)(np.zeros((1, 2, 3))),
            r"`query` must be given: it predicts the center. Received: query=None",
        ),
        (
            lambda: ka.alignments.MonotonicChunkwise(2, ka.LuongAttention("dot"))(
                np.zeros((1, 2, 3))
            ),
            r"`query` and `key` must be given if there is a `chunk_attention`",
        ),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alignment": "monotonic", "alignment_options": {"window": 3}},
            r"`alignment_options` must hold arguments of Monotonic. .*'window': 3",
        ),
        ({"alignment_options": {"temperature": -1.0}}, r"`temperature` must be positive"),
        ({"past_options": {"filters": 3}}, r"`past_options` must hold arguments of None"),
        ({"past": "future"}, r"`past` must be one of .*past='future'"),
        ({"num_heads": 0}, r"`num_heads` must be a positive integer"),
    ],
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ka.Seq2SeqConfig(9, 9, **options)
