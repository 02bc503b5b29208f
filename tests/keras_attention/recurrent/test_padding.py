"""Sequences with holes, such as missing readings: the state passes over them, as in Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, to_numpy, uniform

B, S, D, U = 5, 7, 3, 11
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 0, 1, 0, 0, 1, 1],  # a hole of one position, and one of two
        [0, 1, 1, 0, 1, 0, 0],  # padding on both sides of a row with a hole
        [1, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    bool,
)
ENCODERS = {"lstm": ka.LSTMEncoder, "bilstm": ka.BiLSTMEncoder}
XLA_MARKS = [] if keras.backend.backend() == "jax" else [pytest.mark.thorough]
each_encoder = pytest.mark.parametrize("kind", ENCODERS)


def built(kind: str, **options: Any) -> Any:
    encoder = ENCODERS[kind](U, **options)
    encoder(uniform(1, 2, D, seed=1))
    randomize(encoder, seed=2, scale=0.6)
    return encoder


def of_keras(kind: str, weights: list[np.ndarray], num_layers: int) -> Any:
    """Keras's own layers with the weights of an encoder, as a function of inputs and mask."""
    layers = []
    for _ in range(num_layers):
        layer = keras.layers.LSTM(U, return_sequences=True, return_state=True)
        layers.append(keras.layers.Bidirectional(layer) if kind == "bilstm" else layer)

    def call(inputs: Any, mask: Any) -> list[Any]:
        results = [inputs]
        for layer in layers:
            results = list(layer(results[0], mask=mask))
        return results

    call(uniform(1, 2, D, seed=1), None)
    each = len(weights) // num_layers
    for i, layer in enumerate(layers):
        layer.set_weights(weights[i * each : (i + 1) * each])
    return call


def model_of(call: Any) -> keras.Model:
    """A model of inputs and mask: what is encoded, zero where masked, and the final states."""
    inputs = keras.Input((S, D), name="inputs")
    mask = keras.Input((S,), dtype="bool", name="mask")
    encoded, *states = call(inputs, mask)
    encoded = keras.ops.where(keras.ops.expand_dims(mask, -1), encoded, 0.0)
    return keras.Model({"inputs": inputs, "mask": mask}, [encoded, *states])


@each_encoder
@pytest.mark.parametrize("num_layers", [1, 2])
def test_holes_are_those_of_keras(kind: str, num_layers: int) -> None:
    encoder = built(kind, num_layers=num_layers)
    inputs = uniform(B, S, D, seed=3)
    encoded, *states = encoder(inputs, mask=MASK)
    expected = of_keras(kind, encoder.get_weights(), num_layers)(inputs, MASK)
    assert not to_numpy(encoded)[~MASK].any()
    np.testing.assert_allclose(to_numpy(encoded)[MASK], to_numpy(expected[0])[MASK], atol=1e-6)
    for state, expected_state in zip(states, expected[1:], strict=True):
        np.testing.assert_allclose(to_numpy(state), to_numpy(expected_state), atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=XLA_MARKS)])
def test_a_step_of_fit_is_that_of_keras(jit_compile: bool) -> None:
    encoder = built("bilstm")
    peer = of_keras("bilstm", encoder.get_weights(), num_layers=1)
    x = {"inputs": uniform(B, S, D, seed=3), "mask": MASK}
    losses, after = [], []
    for call in (lambda inputs, mask: encoder(inputs, mask=mask), peer):
        model = model_of(call)
        model.compile(keras.optimizers.SGD(1.0), ["mse"] * 5, jit_compile=jit_compile)
        targets = [uniform(*(B, *y.shape[1:]), seed=5) for y in model.outputs]
        losses.append(model.fit(x, targets, batch_size=B, epochs=2, verbose=0).history["loss"])
        after.append(model.get_weights())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][1] < losses[0][0]
    for own, expected in zip(*after, strict=True):
        np.testing.assert_allclose(own, expected, atol=2e-6)


@each_encoder
def test_holes_in_one_row_do_not_change_the_others(kind: str) -> None:
    encoder = built(kind)
    inputs, rows = uniform(B, S, D, seed=3), [0, 3, 4]
    together = encoder(inputs, mask=MASK)
    alone = encoder(inputs[rows], mask=MASK[rows])
    for result, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(to_numpy(result)[rows], to_numpy(expected), atol=1e-6)


def test_a_mask_that_is_wrongly_said_to_have_no_hole_gives_nan_in_its_row() -> None:
    encoder = built("bilstm")
    results = encoder(uniform(B, S, D, seed=3), mask=MASK, padded_on_one_side=True)
    for result in results[:2]:
        is_nan = np.isnan(to_numpy(result)).reshape(B, -1)
        assert is_nan[[1, 2]].all()
        assert not is_nan[[0, 3, 4]].any()


@pytest.mark.parametrize("query", ["previous", "current"])
def test_a_decoder_passes_over_holes_in_its_inputs_and_its_memory(query: Any) -> None:
    decoder = ka.AttentionDecoder(
        keras.layers.LSTMCell(U),
        ka.BahdanauAttention(5),
        query=query,
        input_feeding=False,  # "current" then runs all steps at once
    )
    inputs, memory = uniform(1, 4, D, seed=4), uniform(1, S, 2, seed=5)
    decoder(inputs, memory=memory)
    randomize(decoder, seed=6)
    read, attended = np.array([[True, False, True, True]]), MASK[1:2]
    options = {"return_attention_scores": True, "return_state": True}
    outputs, weights, *state = decoder(
        inputs, memory=memory, inputs_mask=read, memory_mask=attended, **options
    )
    expected, expected_weights, *expected_state = decoder(
        inputs[:, read[0]], memory=memory[:, attended[0]], **options
    )
    assert not to_numpy(outputs)[~read].any()
    np.testing.assert_allclose(to_numpy(outputs)[:, read[0]], to_numpy(expected), atol=1e-6)
    found = to_numpy(weights)[0][read[0]]
    np.testing.assert_allclose(found[:, attended[0]], to_numpy(expected_weights)[0], atol=1e-6)
    assert not found[:, ~attended[0]].any()
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads TensorFlow's graph")
def test_the_encoding_of_a_search_does_not_look_for_holes() -> None:
    import tensorflow as tf

    sizes = {"embedding_size": 4, "encoder_units": 3, "decoder_units": 5, "attention_units": 4}
    model = ka.Seq2Seq(ka.Seq2SeqConfig(source_vocabulary=11, target_vocabulary=13, **sizes))
    ids = tf.TensorSpec((None, None), tf.int32)

    def is_conditional(encode: Any) -> bool:
        graph = tf.function(encode, autograph=False).get_concrete_function(ids).graph
        return any(operation.type in ("If", "StatelessIf") for operation in graph.get_operations())

    assert not is_conditional(model.encode)
    assert is_conditional(lambda ids: model.encoder(model.source_embedding(ids), mask=ids > 0))
