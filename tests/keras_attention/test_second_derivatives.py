"""Second derivatives, as gradient penalties take them: TensorFlow's custom gradients allow them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.backend import has_own_gradient, plain_gradients
from keras_attention.losses import tokens
from tests.arrays import length_mask, randomize, uniform
from tests.variants import variants

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the gradients are TensorFlow's"
)

B, T, S, D, M, U, V = 2, 3, 5, 4, 6, 4, 7


def decoder(cells: Any, attention: Any, **options: Any) -> Callable[[], keras.layers.Layer]:
    def make() -> keras.layers.Layer:
        layer = ka.AttentionDecoder(cells(), attention(), **options)
        layer.build((B, T, D), (B, S, M))
        randomize(layer, seed=1)
        return layer

    return make


LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "previous": decoder(
        lambda: keras.layers.LSTMCell(U), lambda: ka.BahdanauAttention(3), query="previous"
    ),
    "current": decoder(
        lambda: [keras.layers.GRUCell(U), ka.cells.LayerNormLSTMCell(U)],
        lambda: ka.LuongAttention("general"),
        attention_layer=keras.layers.Dense(3, activation="tanh"),
    ),
    "whole sequence": decoder(
        lambda: keras.layers.LSTMCell(U), lambda: ka.BahdanauAttention(3), input_feeding=False
    ),
    "coverage": decoder(
        lambda: keras.layers.LSTMCell(U),
        lambda: ka.BahdanauAttention(3, past=ka.attention.Coverage()),
        input_feeding=False,
    ),
}


def penalty(layer: keras.layers.Layer, inputs: Any, memory: Any) -> Any:
    """A scalar of the first derivatives of a scalar of the outputs."""
    with tf.GradientTape() as tape:
        tape.watch([inputs, memory])
        outputs = layer(inputs, memory=memory, memory_mask=length_mask([5, 3], S))
        total = tf.reduce_sum(tf.sin(outputs))
    first = tape.gradient(total, [inputs, memory])
    return sum(tf.reduce_sum(tf.square(d)) for d in first)


def second(layer: keras.layers.Layer, inputs: Any, memory: Any) -> list[Any]:
    """The gradient of the penalty, for the inputs, the memory and each weight."""
    weights = [weight.value for weight in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, memory])
        found = penalty(layer, inputs, memory)
    return tape.gradient(found, [inputs, memory, *weights], unconnected_gradients="zero")


def given() -> tuple[Any, Any]:
    return tf.constant(uniform(B, T, D, seed=2)), tf.constant(uniform(B, S, M, seed=3))


@variants("name", LAYERS, core=("previous", "current"))
def test_they_are_those_of_the_plain_formulation(name: str) -> None:
    layer = LAYERS[name]()
    own = second(layer, *given())
    with plain_gradients():
        plain = second(layer, *given())
    for actual, expected in zip(own, plain, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert all(np.abs(d).max() > 0.0 for d in own[:3])


@variants("name", LAYERS, core=("previous",))
def test_they_are_finite_differences_of_the_first(name: str) -> None:
    layer, (inputs, memory) = LAYERS[name](), given()
    direction = tf.constant(uniform(B, S, M, seed=4))
    expected = tf.reduce_sum(second(layer, inputs, memory)[1] * direction)
    step = 0.01
    after, before = (
        penalty(layer, inputs, memory + sign * step * direction) for sign in (1.0, -1.0)
    )
    np.testing.assert_allclose((after - before) / (2.0 * step), expected, rtol=1e-2)


@pytest.mark.thorough
def test_they_are_the_same_in_a_graph() -> None:
    layer = LAYERS["previous"]()
    found = tf.function(lambda: second(layer, *given()), autograph=False)()
    for actual, expected in zip(found, second(layer, *given()), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_hessian_of_the_cross_entropy_is_that_of_the_formula(label_smoothing: float) -> None:
    """`diag(p) - p p^T` for each position, whatever the target."""
    values, upstream = uniform(B, T, V, seed=1, scale=2.0), uniform(B, T, seed=2)
    logits, weights = tf.constant(values), tf.constant(upstream)
    direction = uniform(B, T, V, seed=3)
    with tf.GradientTape() as outer:
        outer.watch([logits, weights])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = tokens.cross_entropy(logits, np.array([[4, 2, 6], [5, 2, 0]]), label_smoothing)
            total = tf.reduce_sum(losses * weights)
        first = tape.gradient(total, logits)
    found, for_weights = outer.gradient(first, [logits, weights], output_gradients=direction)
    p = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
    product = p * direction - p * np.sum(p * direction, -1, keepdims=True)
    np.testing.assert_allclose(found, upstream[..., None] * product, atol=1e-6)
    # the first derivative is linear in the weights
    expected = np.sum((first / upstream[..., None]) * direction, axis=-1)
    np.testing.assert_allclose(for_weights, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("plain", [False, True])
def test_the_plain_gradients_are_a_switch(plain: bool) -> None:
    logits = tf.constant(uniform(B, T, V, seed=1))
    with plain_gradients() if plain else nullcontext():
        assert has_own_gradient() is not plain
        function = tf.function(lambda x: tokens.cross_entropy(x, np.ones((B, T), int)))
        graph = function.get_concrete_function(logits).graph
    found = {op.type for op in graph.get_operations()}
    assert ("IdentityN" in found) is not plain  # what `tf.custom_gradient` adds
    assert has_own_gradient()
