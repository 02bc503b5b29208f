"""AttentionPooling: typed numbers, the formula, masks, and its relation to the other layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, S, M, U = 3, 5, 7, 11
LENGTHS = [5, 2, 4]


def built(**options: Any) -> ka.AttentionPooling:
    """The layer with random weights."""
    layer = ka.AttentionPooling(U, **options)
    layer.build((None, None, M))
    randomize(layer, seed=5)
    return layer


def test_by_hand() -> None:
    layer = ka.AttentionPooling(2)
    inputs = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]], "float32")
    layer(inputs)
    layer.key_kernel.assign([[1.0, 0.0], [0.0, 1.0], [-0.5, 0.5]])
    layer.bias.assign([1.0, -1.0])
    layer.v.assign([1.0, -2.0])
    pooled, weights = layer(inputs, return_attention_scores=True)
    # scores tanh(2) - 2 tanh(-1) = 2.487216 and tanh(0) - 2 tanh(1) = -1.523188
    np.testing.assert_allclose(to_numpy(weights), [[0.98219664, 0.01780336]], atol=1e-6)
    expected = [[0.98219664, 0.01780336, 0.03560672]]
    np.testing.assert_allclose(to_numpy(pooled), expected, atol=1e-6)


@pytest.mark.parametrize("alignment", [None, "sparsemax"])
def test_equals_the_numpy_reference(alignment: str | None) -> None:
    layer = built(alignment=ka.alignments.Sparsemax() if alignment else None)
    inputs, mask = uniform(B, S, M, seed=1, scale=3.0), length_mask(LENGTHS, S)
    pooled, weights = layer(inputs, mask=mask, return_attention_scores=True)
    assert pooled.shape == (B, M)
    assert weights.shape == (B, S)
    kernel, b, v = (to_numpy(w).astype("float64") for w in (layer.key_kernel, layer.bias, layer.v))
    align = reference.sparsemax if alignment else reference.softmax
    for row, sequence in enumerate(inputs.astype("float64")):
        hidden = [np.tanh(x @ kernel + b) for x in sequence]
        expected = align(np.array([np.sum(v * u) for u in hidden]), mask[row])
        mean = sum(w * x for w, x in zip(expected, sequence, strict=True))
        np.testing.assert_allclose(to_numpy(weights)[row], expected, atol=2e-6)
        np.testing.assert_allclose(to_numpy(pooled)[row], mean, atol=5e-6)


def test_is_bahdanaus_attention_with_a_query_that_is_learned() -> None:
    pooling, attention = built(), ka.BahdanauAttention(U)
    query, inputs = uniform(1, 2, seed=2), uniform(B, S, M, seed=1)
    attention(np.tile(query, (B, 1)), inputs)
    randomize(attention, seed=9)
    attention.key_kernel.assign(pooling.key_kernel)
    attention.v.assign(pooling.v)
    pooling.bias.assign((query @ to_numpy(attention.query_kernel))[0])
    expected = attention(np.tile(query, (B, 1)), inputs)
    np.testing.assert_allclose(to_numpy(pooling(inputs)), to_numpy(expected), atol=1e-6)


def test_equal_scores_give_the_mean_as_keras_takes_it() -> None:
    layer = built()
    layer.v.assign(np.zeros(U))
    inputs, mask = uniform(B, S, M, seed=1), length_mask(LENGTHS, S)
    expected = keras.layers.GlobalAveragePooling1D()(inputs, mask=mask)
    np.testing.assert_allclose(to_numpy(layer(inputs, mask=mask)), to_numpy(expected), atol=1e-6)


def test_padding_changes_nothing_and_gets_exactly_nothing() -> None:
    layer = built()
    inputs, mask = uniform(B, S, M, seed=1), length_mask(LENGTHS, S)
    pooled, weights = layer(inputs, mask=mask, return_attention_scores=True)
    assert np.all(to_numpy(weights)[~mask] == 0.0)
    np.testing.assert_allclose(to_numpy(weights).sum(-1), 1.0, rtol=1e-6)
    longer = np.concatenate([inputs, uniform(B, 2, M, seed=3, scale=50.0)], axis=1)
    more = layer(longer, mask=length_mask(LENGTHS, S + 2))
    np.testing.assert_allclose(to_numpy(more), to_numpy(pooled), atol=1e-6)


def test_a_row_with_nothing_to_attend_gives_zeros() -> None:
    inputs, mask = uniform(B, S, M, seed=1), length_mask([0, 5, 1], S)
    pooled, weights = built()(inputs, mask=mask, return_attention_scores=True)
    assert not to_numpy(pooled)[0].any()
    assert not to_numpy(weights)[0].any()
    np.testing.assert_allclose(to_numpy(pooled)[2], inputs[2, 0], atol=1e-6)


def test_the_mask_arrives_by_itself_and_ends_here() -> None:
    ids = keras.Input((None,), dtype="int32")
    embedding, layer = keras.layers.Embedding(13, M, mask_zero=True), ka.AttentionPooling(U)
    pooled = layer(embedding(ids))
    assert getattr(pooled, "_keras_mask", None) is None
    model = keras.Model(ids, keras.layers.Dense(2)(pooled))
    model.compile("sgd", "mse")  # a mask left on the output would weight the losses
    padded, whole = np.array([[3, 4, 0, 0], [5, 6, 7, 8]]), np.array([[3, 4]])
    np.testing.assert_allclose(
        model.predict(padded, verbose=0)[:1], model.predict(whole, verbose=0), atol=1e-6
    )
    assert np.isfinite(model.train_on_batch(padded, np.ones((2, 2))))


def test_dropout_falls_on_the_weights_in_training_only() -> None:
    layer = built(dropout=0.5, seed=3)
    eye = np.tile(np.eye(M, dtype="float32"), (B, 1, 1))  # what is pooled shows the weights
    pooled, weights = layer(eye, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(pooled), to_numpy(weights), atol=1e-6)
    dropped, returned = layer(eye, return_attention_scores=True, training=True)
    np.testing.assert_allclose(to_numpy(returned), to_numpy(weights), atol=1e-6)
    ratio = to_numpy(dropped) / to_numpy(weights)
    np.testing.assert_allclose(np.minimum(ratio, abs(ratio - 2.0)), 0.0, atol=1e-5)
    assert 0.1 < np.mean(ratio > 1.0) < 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, r"`units`.*positive.*Received: units=0"),
        ({"units": 5, "dropout": 1.0}, r"`dropout`.*Received: dropout=1.0"),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ka.AttentionPooling(**arguments)


def test_refuses_shapes() -> None:
    with pytest.raises(ValueError, match=r"`inputs` must have the axes .*Received: "):
        ka.AttentionPooling(U)(uniform(B, M, seed=1))
    with pytest.raises(ValueError, match=r"`mask` must match `inputs`.*Received: "):
        built()(uniform(B, S, M, seed=1), mask=np.ones((B, S + 1), bool))
    with pytest.raises(ValueError, match=r"`mask` must match `inputs`.*Received: "):
        built()(uniform(B, S, M, seed=1), mask=np.ones((B, 1, S), bool))
    with pytest.raises(ValueError, match=r"`mask` must be boolean.*Received: mask of float32"):
        built()(uniform(B, S, M, seed=1), uniform(B, S, M, seed=1))


def test_an_alignment_is_not_a_name() -> None:
    name: Any = "sparsemax"
    with pytest.raises(TypeError, match=r"`alignment` must be an instance of Alignment.*Received"):
        ka.AttentionPooling(3, alignment=name)
    with pytest.raises(TypeError, match=r"`chunk_attention` must be an instance of Layer.*='dot'"):
        ka.alignments.MonotonicChunkwise(3, "dot")
