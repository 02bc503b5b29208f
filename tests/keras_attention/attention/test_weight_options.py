"""Initializers, regularizers and constraints of attention layers, as in `keras.layers.Dense`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, to_numpy, uniform
from tests.variants import each_execution, variants

B, T, S, D = 2, 3, 5, 4
LAYERS: dict[str, Callable[..., Any]] = {
    "bahdanau": lambda **options: ka.BahdanauAttention(7, normalize=True, **options),
    "general": lambda **options: ka.LuongAttention("general", **options),
    "concat": lambda **options: ka.LuongAttention("concat", 7, **options),
    "pooling": lambda **options: ka.AttentionPooling(7, **options),
}
KERNELS = ("query_kernel", "key_kernel", "v")


def called(name: str, **options: Any) -> tuple[Any, np.ndarray]:
    layer = LAYERS[name](**options)
    value = uniform(B, S, D, seed=1)
    inputs = (value,) if name == "pooling" else (uniform(B, T, D, seed=2), value)
    return layer, to_numpy(layer(*inputs))


def weights(layer: Any) -> dict[str, np.ndarray]:
    return {weight.name: to_numpy(weight) for weight in layer.weights}


@pytest.mark.parametrize("name", LAYERS)
def test_regularizers_count_each_kernel_and_the_bias(name: str) -> None:
    layer, outputs = called(
        name,
        kernel_regularizer=keras.regularizers.L2(0.1),
        bias_initializer=keras.initializers.Constant(0.5),
        bias_regularizer=keras.regularizers.L1(0.3),
        activity_regularizer=keras.regularizers.L2(0.7),
    )
    found = weights(layer)
    expected = 0.1 * sum(np.sum(np.square(found[k])) for k in KERNELS if k in found)
    expected += 0.3 * 0.5 * 7 * ("bias" in found)
    peer = keras.layers.Activation("linear", activity_regularizer=keras.regularizers.L2(0.7))
    peer(outputs)  # Keras 3.7 does not divide by the batch size
    expected += sum(float(loss) for loss in peer.losses)
    assert sum(float(loss) for loss in layer.losses) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_initializers_and_constraints_reach_each_kernel(name: str) -> None:
    layer, _ = called(name, kernel_initializer="ones", kernel_constraint="non_neg")
    for weight in layer.weights:
        if weight.name in KERNELS:
            np.testing.assert_array_equal(to_numpy(weight), np.ones(weight.shape))
            assert isinstance(weight.constraint, keras.constraints.NonNeg)
        else:
            assert weight.constraint is None


def test_kernels_of_one_shape_differ() -> None:
    found = weights(called("bahdanau", kernel_initializer=keras.initializers.HeNormal())[0])
    assert not np.allclose(found["query_kernel"], found["key_kernel"])


@pytest.mark.parametrize("name", LAYERS)
def test_the_options_are_saved_and_files_without_them_load(name: str) -> None:
    options = {
        "kernel_initializer": "ones",
        "kernel_regularizer": "l2",
        "kernel_constraint": "non_neg",
    }
    layer = LAYERS[name](**options, activity_regularizer="l1", bias_regularizer="l1")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    assert isinstance(again.kernel_regularizer, keras.regularizers.L2)
    assert isinstance(again.activity_regularizer, keras.regularizers.L1)
    old = {k: v for k, v in config["config"].items() if not k.startswith(("kernel_", "bias_"))}
    loaded = keras.saving.deserialize_keras_object({**config, "config": old})
    assert loaded.kernel_regularizer is None
    assert loaded.kernel_initializer == "glorot_uniform"


def test_heads_have_the_options_of_the_layer_they_copy() -> None:
    heads = ka.attention.MultiHead(ka.BahdanauAttention(3, kernel_regularizer="l2"), 2)
    heads(uniform(B, T, D, seed=1), uniform(B, S, D, seed=2))
    assert len(heads.losses) == 2 * len(KERNELS)


class Doubled(keras.layers.Layer):
    """A layer that the loop does not know."""

    def call(self, inputs: Any) -> Any:
        return 2.0 * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@each_execution
@pytest.mark.parametrize("layer", ["dense", "other"])
@pytest.mark.parametrize("query", ["current", "previous"])
def test_the_activity_regularizer_of_an_attention_layer_counts_in_a_loop(
    layer: str, query: str, execution: dict[str, bool]
) -> None:
    options = {"activity_regularizer": keras.regularizers.L2(0.1)}
    combine = keras.layers.Dense(3, **options) if layer == "dense" else Doubled(**options)
    decoder = ka.AttentionDecoder(
        keras.layers.GRUCell(5), ka.LuongAttention(), query, attention_layer=combine
    )
    source = keras.Input((None, D)), keras.Input((None, D))
    model = keras.Model(source, decoder(source[0], memory=source[1]))
    arrays = [uniform(B, T, D, seed=1), uniform(B, S, D, seed=2)]
    outputs = to_numpy(model(arrays))
    expected = 0.1 * np.sum(np.square(outputs)) / B
    assert [float(loss) for loss in model.losses] == pytest.approx([expected], rel=1e-5)
    model.compile(keras.optimizers.SGD(0.0), "mse", **execution)
    history = model.fit(arrays, outputs, verbose=0).history  # without an error, the rest is this
    assert history["loss"] == pytest.approx([expected], rel=1e-4)


class Penalized(keras.layers.Layer):
    """A layer with a sublayer that adds a loss whenever it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def build(self, input_shape: Any) -> None:
        self.inner.build(input_shape)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Inner(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        self.add_loss(keras.ops.mean(keras.ops.square(inputs)))
        return 2.0 * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@variants("query", ["current", "previous"])
def test_the_losses_of_an_attention_layer_count_in_a_loop(query: str) -> None:
    decoder = ka.AttentionDecoder(
        keras.layers.GRUCell(5), ka.LuongAttention("general"), query, attention_layer=Penalized()
    )
    source = keras.Input((T, D)), keras.Input((S, D))
    model = keras.Model(source, decoder(source[0], memory=source[1]))
    randomize(model, seed=3)
    arrays = [uniform(B, T, D, seed=1), uniform(B, S, D, seed=2)]
    outputs = to_numpy(model(arrays))
    expected = sum(np.mean(np.square(outputs[:, step] / 2.0)) for step in range(T))
    assert [float(loss) for loss in model.losses] == pytest.approx([expected], rel=1e-5)
    model.compile(keras.optimizers.SGD(0.5), loss_weights=0.0, loss="mse")
    losses = model.fit(arrays, outputs, epochs=6, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(expected, rel=1e-4)
    assert losses[-1] < 0.95 * losses[0]
