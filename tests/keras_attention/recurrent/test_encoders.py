"""The encoders: a padded batch gives the same results as each sentence alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform
from tests.variants import variants

B, S, D, U = 3, 7, 5, 11
LENGTHS = [7, 2, 5]

ENCODERS = {"lstm": ka.LSTMEncoder, "bilstm": ka.BiLSTMEncoder}
each_encoder = pytest.mark.parametrize("kind", ENCODERS)
each_depth = pytest.mark.parametrize("num_layers", [1, 2, 3])


def built(kind: str, **options: Any) -> keras.layers.Layer:
    encoder = ENCODERS[kind](U, **options)
    encoder(uniform(1, 2, D, seed=1))
    randomize(encoder, seed=2, scale=0.6)
    return encoder


def padded(side: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (B, S, D) with extreme values in the padding, and their mask."""
    mask = length_mask(LENGTHS, S)
    mask = mask if side == "right" else mask[:, ::-1]
    inputs = uniform(B, S, D, seed=3)
    return np.where(mask[:, :, None], inputs, 20.0 * inputs + 7.0).astype("float32"), mask


def by_the_formula(encoder: Any, kind: str, sentence: np.ndarray) -> tuple[np.ndarray, list]:
    """Outputs (S, .) and the last layer's states of one sentence, from the NumPy reference."""
    weights = [array.astype("float64") for array in encoder.get_weights()]
    cells = [reference.lstm(*weights[start : start + 3]) for start in range(0, len(weights), 3)]
    states: list = []
    outputs = sentence.astype("float64")
    if kind == "lstm":
        for cell in cells:
            outputs, states = reference.run(cell, outputs, [np.zeros(U), np.zeros(U)])
    else:
        for forward, backward in zip(cells[::2], cells[1::2], strict=True):
            outputs, states = reference.bilstm(outputs, forward, backward, U)
    return outputs, states


@each_encoder
@each_depth
def test_equals_the_numpy_reference(kind: str, num_layers: int) -> None:
    encoder = built(kind, num_layers=num_layers)
    inputs = uniform(B, S, D, seed=3)
    encoded, *states = encoder(inputs)
    for b in range(B):
        expected, expected_states = by_the_formula(encoder, kind, inputs[b])
        np.testing.assert_allclose(to_numpy(encoded)[b], expected, atol=2e-6)
        for state, expected_state in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(to_numpy(state)[b], expected_state, atol=2e-6)


@each_encoder
@each_depth
@variants("side", ["right", "left"])
def test_a_padded_batch_equals_each_sentence_alone(kind: str, num_layers: int, side: str) -> None:
    encoder = built(kind, num_layers=num_layers)
    inputs, mask = padded(side)
    encoded, *states = encoder(inputs, mask=mask)
    for b in range(B):
        alone, *alone_states = encoder(inputs[b : b + 1, mask[b]])
        np.testing.assert_allclose(to_numpy(encoded)[b, mask[b]], to_numpy(alone)[0], atol=1e-6)
        for state, alone_state in zip(states, alone_states, strict=True):
            np.testing.assert_allclose(to_numpy(state)[b], to_numpy(alone_state)[0], atol=1e-6)


@each_encoder
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_encoded_as_zeros(kind: str, side: str) -> None:
    inputs, mask = padded(side)
    encoded = to_numpy(built(kind, num_layers=2)(inputs, mask=mask)[0])
    assert np.all(encoded[~mask] == 0.0)
    assert np.all(encoded[mask] != 0.0)


@each_encoder
def test_a_row_without_any_word_is_all_zeros(kind: str) -> None:
    inputs, mask = padded("right")
    mask[1] = False
    encoder = built(kind, num_layers=2)
    for result in encoder(inputs, mask=mask):
        assert np.all(to_numpy(result)[1] == 0.0)
    alone, *alone_states = encoder(inputs[:1])
    encoded, *states = encoder(inputs, mask=mask)
    np.testing.assert_allclose(to_numpy(encoded)[0], to_numpy(alone)[0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(states[1])[0], to_numpy(alone_states[1])[0], atol=1e-6)


@each_encoder
def test_left_padding_equals_right_padding(kind: str) -> None:
    encoder = built(kind, num_layers=2)
    sentence = uniform(1, 3, D, seed=3)
    nothing = np.zeros((1, 4, D), "float32")
    right = encoder(np.concatenate([sentence, nothing], 1), mask=length_mask([3], S))
    left = encoder(np.concatenate([nothing, sentence], 1), mask=length_mask([3], S)[:, ::-1])
    np.testing.assert_allclose(to_numpy(left[0])[:, 4:], to_numpy(right[0])[:, :3], atol=1e-6)
    for from_left, from_right in zip(left[1:], right[1:], strict=True):
        np.testing.assert_allclose(to_numpy(from_left), to_numpy(from_right), atol=1e-6)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`mask`.*Received: "):
        built("bilstm")(uniform(B, S, D, seed=3), mask=np.ones((B, S + 1), bool))


@pytest.mark.parametrize(("kind", "size", "states"), [("lstm", U, 2), ("bilstm", 2 * U, 4)])
def test_shapes(kind: str, size: int, states: int) -> None:
    encoder = built(kind, num_layers=2)
    results = encoder(uniform(B, S, D, seed=3))
    assert [tuple(result.shape) for result in results] == [(B, S, size)] + [(B, U)] * states
    symbolic = encoder(keras.Input((None, D)))
    assert [result.shape for result in symbolic] == [(None, None, size)] + [(None, U)] * states


@each_encoder
def test_the_mask_of_an_embedding_arrives_and_is_passed_on(kind: str) -> None:
    embedding, encoder = keras.layers.Embedding(19, D, mask_zero=True), built(kind)
    attention = ka.BahdanauAttention(3)
    source = keras.Input((None,), dtype="int32")
    encoded, *states = encoder(embedding(source))
    weights = attention(states[0], encoded, return_attention_scores=True)[1]
    model = keras.Model(source, [encoded, *states, weights])
    ids = np.array([[3, 4, 5], [6, 0, 0]])
    *results, weights = model.predict(ids, verbose=0)
    expected = encoder(to_numpy(embedding(ids)), mask=ids != 0)
    for result, expected_result in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, to_numpy(expected_result), atol=1e-6)
    np.testing.assert_allclose(weights[1], [1.0, 0.0, 0.0], atol=1e-6)


def test_dropout_falls_between_layers_in_training_only() -> None:
    inputs = uniform(B, S, D, seed=3)
    encoder = built("bilstm", num_layers=2, dropout=0.5)
    still = to_numpy(encoder(inputs)[0])
    np.testing.assert_allclose(to_numpy(encoder(inputs, training=False)[0]), still, atol=1e-6)
    first, second = (to_numpy(encoder(inputs, training=True)[0]) for _ in range(2))
    assert np.abs(first - still).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3


@each_encoder
def test_recurrent_dropout_falls_on_states_alone_and_in_training_only(kind: str) -> None:
    inputs = uniform(B, S, D, seed=3)
    encoder = built(kind, recurrent_dropout=0.5)
    still = to_numpy(encoder(inputs)[0])
    np.testing.assert_allclose(to_numpy(encoder(inputs, training=False)[0]), still, atol=1e-6)
    first, second = (to_numpy(encoder(inputs, training=True)[0]) for _ in range(2))
    assert np.abs(first - still)[:, 1:-1].max() > 1e-3
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(first[:, 0, :U], still[:, 0, :U], rtol=0, atol=1e-6)
    for variable in encoder.weights:
        if "recurrent_kernel" in variable.path:
            variable.assign(np.zeros(variable.shape))
    forgetful = to_numpy(encoder(inputs)[0])
    trained = to_numpy(encoder(inputs, training=True)[0])
    np.testing.assert_allclose(trained, forgetful, rtol=0, atol=1e-6)


def test_states_start_a_decoder_of_the_same_size() -> None:
    """The lecture's way: the decoder copies the encoder's last states."""
    encoded, h, c = built("lstm")(uniform(B, S, D, seed=3))
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(U), ka.LuongAttention("dot"))
    outputs = decoder(uniform(B, 2, D, seed=4), memory=encoded, initial_state=[h, c])
    assert tuple(outputs.shape) == (B, 2, 2 * U)


@pytest.mark.thorough
@each_encoder
def test_a_step_of_training_reaches_every_weight(kind: str) -> None:
    encoder = built(kind, num_layers=2)
    inputs = keras.Input((None, D))
    results = encoder(inputs)
    model = keras.Model(inputs, [keras.ops.sum(results[0], axis=(1, 2)), *results[1:]])
    model.compile(keras.optimizers.SGD(0.5), loss=["mse"] * len(results))
    before = [array.copy() for array in encoder.get_weights()]
    targets = [np.ones(B, "float32")] + [np.ones((B, U), "float32")] * (len(results) - 1)
    model.train_on_batch(uniform(B, S, D, seed=3), targets)
    for old, new in zip(before, encoder.get_weights(), strict=True):
        assert np.abs(new - old).max() > 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, r"`units`.*positive.*Received: units=0"),
        ({"units": 5, "num_layers": 0}, r"`num_layers`.*positive.*Received: num_layers=0"),
        ({"units": 5, "dropout": 1.0}, r"`dropout`.*Received: dropout=1.0"),
        ({"units": 5, "recurrent_dropout": -1}, r"`recurrent_dropout`.*Received: .*=-1"),
    ],
)
@each_encoder
def test_refuses(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ENCODERS[kind](**arguments)


@each_encoder
def test_refuses_inputs_that_are_no_sequence(kind: str) -> None:
    x = np.ones((2, 3, 4), "float32")
    cases: list[tuple[Any, str]] = [
        ([x, x], r"`inputs` must be one tensor.*Received: 2 tensors"),
        (x[:, :0], r"`inputs` must have at least one position.*shape=\(2, 0, 4\)"),
        (x[0], r"`inputs` must have the axes \(batch, length, features\)"),
    ]
    for given, message in cases:
        with pytest.raises(ValueError, match=message):
            ENCODERS[kind](5)(given)
    with pytest.raises(ValueError, match=r"`mask` must be boolean.*Received: mask of float32"):
        ENCODERS[kind](5)(x, mask=np.ones((2, 3), "float32"))


@each_encoder
def test_a_dropout_is_a_number(kind: str) -> None:
    with pytest.raises(TypeError, match=r"`dropout` must be a number. Received: dropout='0.1'"):
        ENCODERS[kind](5, dropout="0.1")
