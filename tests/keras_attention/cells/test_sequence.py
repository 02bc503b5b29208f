"""Cells over whole sequences in training: the same numbers and gradients as Keras's layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.backend import has_own_gradient, plain_gradients
from keras_attention.cells.sequence import run_layer, sequence_layer
from tests.arrays import randomize, to_numpy, uniform

B, T, D, U = 3, 5, 4, 7
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], bool)
CELLS = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
each_cell = pytest.mark.parametrize("kind", CELLS)
pytestmark = pytest.mark.skipif(
    not has_own_gradient(), reason="only TensorFlow has a gradient of its own"
)


def layer_of(kind: str, **options: Any) -> keras.layers.RNN:
    cell = CELLS[kind](U, **options)
    layer = sequence_layer(cell, dtype=cell.dtype_policy)
    layer.build((None, None, D))
    randomize(layer, seed=2, scale=0.7)
    return layer


def trained(layer: Any, mask: np.ndarray | None, dtype: str = "float32") -> list[np.ndarray]:
    """Outputs, last states, and the gradients of inputs, first states and weights."""
    count = 2 if isinstance(layer, keras.layers.LSTM) else 1
    inputs = tf.constant(uniform(B, T, D, seed=3), dtype)
    states = [tf.constant(uniform(B, U, seed=4 + i), dtype) for i in range(count)]
    factors = [tf.constant(uniform(B, T, U, seed=7), dtype), *states[::-1]]
    valid = 1.0 if mask is None else tf.cast(mask, dtype)[..., None]

    @tf.function(autograph=False)
    def run() -> list[tf.Tensor]:
        sources = [inputs, *states, *layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(sources[: 1 + count])
            outputs, after = run_layer(layer, inputs, states, mask, training=True)
            results = [outputs * valid, *after]
        return [*results, *tape.gradient(results, sources, factors)]

    return [to_numpy(tf.convert_to_tensor(x)).astype("float64") for x in run()]


@each_cell
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_a_loop_has_the_results_and_gradients_of_keras(kind: str, mask: np.ndarray | None) -> None:
    layer = layer_of(kind)
    found = trained(layer, mask)
    with plain_gradients():
        expected = trained(layer, mask)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=3e-6)


@each_cell
def test_a_loop_drops_what_keras_drops(kind: str) -> None:
    found = trained(layer_of(kind, dropout=0.5, seed=5), None)
    with plain_gradients():
        expected = trained(layer_of(kind, dropout=0.5, seed=5), None)
        without = trained(layer_of(kind), None)
    assert np.abs(found[0] - without[0]).max() > 0.1
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=3e-6)


@each_cell
def test_16_bits_round_no_more_than_in_keras(kind: str) -> None:
    exact = trained(layer_of(kind), MASK)
    halves = layer_of(kind, dtype="mixed_bfloat16")
    found = trained(halves, MASK, "bfloat16")
    with plain_gradients():
        keras_found = trained(halves, MASK, "bfloat16")
    for mine, theirs, right in zip(found, keras_found, exact, strict=True):
        assert np.abs(mine - right).max() <= 1.5 * np.abs(theirs - right).max() + 1e-3


@each_cell
def test_one_product_has_the_inputs_of_all_steps(kind: str) -> None:
    """Keras multiplies the inputs of each step on their own."""
    layer = layer_of(kind)

    @tf.function(autograph=False)
    def run(inputs: tf.Tensor) -> tf.Tensor:
        states = [tf.zeros((B, U))] * (2 if kind == "lstm" else 1)
        return run_layer(layer, inputs, states, None, training=True)[0]

    graph = run.get_concrete_function(tf.TensorSpec((B, T, D))).graph
    products = [op for op in graph.get_operations() if "MatMul" in op.type]
    read = [tuple(op.inputs[0].shape) for op in products]
    assert {(T * B, D), (T, B, D)} & {*read}  # Keras 3.7 multiplies by a matrix for each step
