"""Attention over whole sequences, and a comparison with Keras's own layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, T, S, D, U = 2, 3, 5, 7, 11
LENGTHS = [5, 3]
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="looks into a TensorFlow graph"
)

ours_dot = pytest.param("dot", 1.0, id="dot")
ours_scaled = pytest.param("scaled_dot", D**-0.5, id="scaled_dot")


def sequences(seed: int = 1, length: int = S) -> tuple[np.ndarray, np.ndarray]:
    """A sequence (B, S, D), and its mask."""
    return uniform(B, length, D, seed=seed), length_mask(LENGTHS, length)


def additive_pair() -> tuple[ka.BahdanauAttention, Callable[..., Any]]:
    """Our layer, and Keras's after projections with the same weights."""
    ours, theirs = ka.BahdanauAttention(U), keras.layers.AdditiveAttention()
    ours.build((B, S, D), (B, S, D))
    randomize(ours, seed=5)
    theirs.build([(B, S, U), (B, S, D), (B, S, U)])
    theirs.scale.assign(ours.v)

    def call(query: np.ndarray, value: np.ndarray, **options: Any) -> Any:
        projected = query @ to_numpy(ours.query_kernel), value @ to_numpy(ours.key_kernel)
        return theirs([projected[0], value, projected[1]], **options)

    return ours, call


def assert_same(ours: Any, theirs: Any) -> None:
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(to_numpy(own), to_numpy(other), atol=2e-6)


@pytest.mark.parametrize("score", ["dot", "scaled_dot", "cosine"])
def test_self_attention_equals_the_numpy_reference(score: str) -> None:
    x, mask = sequences()
    layer = ka.LuongAttention(score)
    context, weights = layer(x, x, value_mask=mask, return_attention_scores=True)
    for b, t in np.ndindex(B, S):
        scores = getattr(reference, score)(x[b, t], x[b])
        expected, expected_weights = reference.attend(scores, x[b], mask[b])
        np.testing.assert_allclose(to_numpy(weights)[b, t], expected_weights, atol=3e-6)
        np.testing.assert_allclose(to_numpy(context)[b, t], expected, atol=3e-6)


def test_additive_self_attention_equals_the_numpy_reference() -> None:
    x, mask = sequences()
    layer, _ = additive_pair()
    context, weights = layer(x, x, value_mask=mask, return_attention_scores=True)
    parts = [to_numpy(w) for w in (layer.v, layer.query_kernel, layer.key_kernel)]
    for b, t in np.ndindex(B, S):
        scores = reference.additive(x[b, t], x[b], *parts)
        expected, expected_weights = reference.attend(scores, x[b], mask[b])
        np.testing.assert_allclose(to_numpy(weights)[b, t], expected_weights, atol=3e-6)
        np.testing.assert_allclose(to_numpy(context)[b, t], expected, atol=3e-6)


def test_self_attention_carries_the_mask_on() -> None:
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(13, D, mask_zero=True)(ids)
    attended = ka.BahdanauAttention(U)(embedded, embedded)
    model = keras.Model(ids, ka.AttentionPooling(U)(attended))
    padded, whole = np.array([[3, 4, 0, 0], [5, 6, 7, 8]]), np.array([[3, 4]])
    np.testing.assert_allclose(
        model.predict(padded, verbose=0)[:1], model.predict(whole, verbose=0), atol=1e-6
    )


def test_causal_attention_is_a_step_for_each_prefix() -> None:
    """There is no `use_causal_mask`: a mask row applies to all queries of its sequence."""
    x, _ = sequences()
    layer, theirs = additive_pair()
    with pytest.raises(TypeError, match="use_causal_mask"):
        layer(x, x, use_causal_mask=True)
    steps = [layer(x[:, t], x, value_mask=length_mask([t + 1] * B, S)) for t in range(S)]
    expected = to_numpy(theirs(x, x, use_causal_mask=True))
    for t, context in enumerate(steps):
        np.testing.assert_allclose(to_numpy(context), expected[:, t], atol=2e-6)


@pytest.mark.parametrize(("score", "scale"), [ours_dot, ours_scaled])
@pytest.mark.parametrize("masked", [False, True])
def test_products_agree_with_keras(score: str, scale: float, masked: bool) -> None:
    query, (value, mask) = uniform(B, T, D, seed=3), sequences()
    ours = ka.LuongAttention(score)(
        query, value, value_mask=mask if masked else None, return_attention_scores=True
    )
    theirs = keras.layers.Attention()(
        [query * scale, value], mask=[None, mask if masked else None], return_attention_scores=True
    )
    assert_same(ours, theirs)


def test_a_learned_scale_agrees_with_keras() -> None:
    query, (value, _) = uniform(B, T, D, seed=3), sequences()
    ours, theirs = ka.LuongAttention("dot", scale=True), keras.layers.Attention(use_scale=True)
    for layer, arguments in ((ours, (query, value)), (theirs, ([query, value],))):
        layer(*arguments)
        layer.trainable_variables[0].assign(0.3)
    assert_same(
        ours(query, value, return_attention_scores=True),
        theirs([query, value], return_attention_scores=True),
    )


@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_agrees_with_one_head_without_projections(masked: bool) -> None:
    query, (value, mask) = uniform(B, T, D, seed=3), sequences()
    theirs = keras.layers.MultiHeadAttention(1, D, use_bias=False)
    theirs.build(query.shape, value.shape)
    for weight in theirs.weights:
        weight.assign(np.eye(D, dtype="float32").reshape(weight.shape))
    options = {"value_mask": mask if masked else None, "return_attention_scores": True}
    context, weights = theirs(query, value, **options)
    assert_same(ka.LuongAttention("scaled_dot")(query, value, **options), (context, weights[:, 0]))


@pytest.mark.parametrize("masked", [False, True])
def test_additive_agrees_with_keras_behind_projections(masked: bool) -> None:
    query, (value, mask) = uniform(B, T, D, seed=3), sequences()
    ours, theirs = additive_pair()
    given = mask if masked else None
    assert_same(
        ours(query, value, value_mask=given, return_attention_scores=True),
        theirs(query, value, mask=[None, given], return_attention_scores=True),
    )


def test_keras_additive_attention_has_no_projections() -> None:
    query, (value, _) = uniform(B, T, D, seed=3), sequences()
    theirs, ours = keras.layers.AdditiveAttention(), ka.BahdanauAttention(U)
    theirs([query, value])
    ours(query, value)
    assert [tuple(w.shape) for w in theirs.weights] == [(D,)]
    assert {tuple(w.shape) for w in ours.weights} == {(D, U), (U,)}
    with pytest.raises(Exception, match=r"(?i)shape|dimension|broadcast"):
        keras.layers.AdditiveAttention()([uniform(B, T, D + 2, seed=3), value])
    assert ka.BahdanauAttention(U)(uniform(B, T, D + 2, seed=3), value).shape == (B, T, D)


def test_keras_concat_score_is_not_luongs() -> None:
    query, (value, _) = uniform(B, T, D, seed=3), sequences()
    theirs = keras.layers.Attention(score_mode="concat")
    theirs([query, value])
    assert [tuple(w.shape) for w in theirs.weights] == [()]  # one number; Luong's has W and v
    theirs.weights[0].assign(1.3)
    weights = theirs([query, value], return_attention_scores=True)[1]
    scores = np.array([1.3 * np.sum(np.tanh(query[0, 0] + key)) for key in value[0]])
    np.testing.assert_allclose(to_numpy(weights)[0, 0], reference.softmax(scores), atol=2e-6)


def test_one_query_is_one_query() -> None:
    """Keras treats queries (B, D) as a single sequence, so every row sees every query."""
    query, (value, _) = uniform(B, D, seed=3), sequences()
    ours = to_numpy(ka.LuongAttention("dot")(query, value))
    theirs = to_numpy(keras.layers.Attention()([query, value]))
    assert ours.shape == (B, D)
    assert theirs.shape == (B, B, D)
    np.testing.assert_allclose(ours, theirs[np.arange(B), np.arange(B)], atol=1e-6)
    assert np.abs(theirs[0, 1] - ours[1]).max() > 0.01


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_nothing_to_attend_is_nothing(precision: str) -> None:
    """Keras spreads such a row over its padding."""
    query, (value, _) = uniform(B, T, D, seed=3), sequences()
    mask = length_mask([0, 4], S)
    ours = ka.LuongAttention("dot", dtype=precision)
    context, weights = ours(query, value, value_mask=mask, return_attention_scores=True)
    theirs = keras.layers.Attention(dtype=precision)
    _, their_weights = theirs([query, value], mask=[None, mask], return_attention_scores=True)
    assert not to_numpy(weights)[0].any()
    assert not to_numpy(context)[0].any()
    np.testing.assert_allclose(to_numpy(their_weights)[0].sum(-1), 1.0, rtol=1e-2)


def test_masked_places_in_float16_get_nothing_however_low_the_others_score() -> None:
    """Keras subtracts 65504 there, which a score may fall below."""
    query = np.full((1, 1, 64), 32.0, "float32")
    value = np.stack([-query[0], query[0]], axis=1)  # scores -65536 and 65536; only the first may
    mask = np.array([[True, False]])
    ours = ka.LuongAttention("dot", dtype="mixed_float16")
    weights = ours(query, value, value_mask=mask, return_attention_scores=True)[1]
    np.testing.assert_array_equal(to_numpy(weights), [[[1.0, 0.0]]])
    theirs = keras.layers.Attention(dtype="mixed_float16")
    _, spread = theirs([query, value], mask=[None, mask], return_attention_scores=True)
    assert not np.allclose(to_numpy(spread), [[[1.0, 0.0]]])


@on_tensorflow
def test_the_hidden_layer_of_all_pairs_is_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    b, t, s, d, u = 2, 13, 17, 3, 19
    ours, theirs = ka.BahdanauAttention(u), keras.layers.AdditiveAttention()
    query, value, projected = (uniform(b, n, m, seed=1) for n, m in ((t, d), (s, d), (s, u)))
    ours(query, value)
    theirs([uniform(b, t, u, seed=2), projected])
    assert largest(lambda x: ours(x, value), query) == b * s * u  # one query's
    assert largest(lambda x: theirs([x, projected]), uniform(b, t, u, seed=2)) == b * t * s * u
    monkeypatch.setattr("keras_attention.backend.has_own_gradient", lambda: False)
    assert largest(lambda x: ours(x, value), query) == b * t * s * u  # stored for the backward pass


def largest(call: Callable[[Any], Any], x: np.ndarray) -> int:
    """The size of the largest tensor in a graph and its gradient, or of what a loop stores.

    Loops are assumed to run over the second axis of x.
    """
    import tensorflow as tf

    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        return tape.gradient(y, x)

    def sizes(graph: Any) -> Iterator[int | None]:
        for operation in graph.get_operations():
            yield from (tensor.shape.num_elements() for tensor in operation.outputs)
            if operation.type in ("TensorListPushBack", "TensorListSetItem"):
                yield x.shape[1] * operation.inputs[-1].shape.num_elements()
        for function in graph._functions.values():
            yield from sizes(function.graph)

    concrete = tf.function(run, autograph=False).get_concrete_function(tf.constant(x))
    return max(size for size in sizes(concrete.graph) if size is not None)
