"""What is masked is never read: NaN there gives the results and gradients that zeros give."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops, tree

from keras_attention.attention import AttentionLayer
from tests.arrays import length_mask, randomize, to_numpy, uniform
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.public import public_classes
from tests.variants import variants

MASKED = {
    "mask": ("inputs",),
    "inputs_mask": ("inputs",),
    "query_mask": ("query",),
    "value_mask": ("value", "key", "scores"),
    "key_mask": ("value", "key"),
    "memory_mask": ("memory",),
}
"""The arguments that each mask is about."""
LAYERS = public_classes(keras.layers.Layer)
pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="gradients are taken on TensorFlow and JAX"
)


def masks_of(layer: Any) -> list[str]:
    """The masks among the arguments of a layer's call."""
    return [name for name in inspect.signature(layer.call).parameters if name.endswith("mask")]


def takes_a_mask(name: str) -> bool:
    """Whether an entry's layer does; whole models take ids, which cannot be NaN."""
    layer = LAYERS[name.partition("-")[0]]
    return not issubclass(layer, keras.Model) and bool(masks_of(layer))


ENTRIES = [name for name in REGISTRY if takes_a_mask(name)]


def holding(value: float, layer: Any) -> Callable[..., Any]:
    """The layer, with every mask that it takes, and a value wherever an argument is masked."""

    def call(*args: Any, **kwargs: Any) -> Any:
        given = dict(inspect.signature(layer.call).bind(*args, **kwargs).arguments)
        if isinstance(layer, AttentionLayer):
            given["key"] = tree.map_structure(lambda x: 0.5 * x, given["value"])
        for place, name in enumerate(masks_of(layer)):
            for argument in [argument for argument in MASKED[name] if argument in given]:
                # scores (B, T, S) have the positions last, everything else has (B, S, D)
                axis = 2 if argument == "scores" else 1
                own = tree.flatten(given[argument])
                masks = [mask_of(x.shape[axis], place) for x in own]
                own = [held(x, mask, value, axis) for x, mask in zip(own, masks, strict=True)]
                given[argument] = tree.pack_sequence_as(given[argument], own)
                given[name] = tree.pack_sequence_as(given[argument], masks)
        return layer(**given)

    return call


def mask_of(length: int, shift: int) -> np.ndarray:
    """A mask (3, length): a full row, and two that are padded on the right."""
    return length_mask([length, 2, length - 1 - shift], length)


def held(x: Any, mask: np.ndarray, value: float, axis: int) -> Any:
    """A value instead of x where it is masked; the gradient comes back as if it were x."""
    along = np.expand_dims(mask, 3 - axis)
    return x + ops.where(along, 0.0, value - ops.stop_gradient(x))


def results_and_gradients(
    call: Callable[[dict[str, Any]], Sequence[Any]], layer: Any, x: Any
) -> Any:
    """The results for tensors x, and the gradients of their weighted sum: of the weights, of x."""

    def total(x: dict[str, Any]) -> tuple[Any, list[Any]]:
        results = [ops.cast(result, "float32") for result in tree.flatten(call(x))]
        shares = [uniform(*result.shape, seed=3) for result in results]
        sums = [ops.sum(r * share) for r, share in zip(results, shares, strict=True)]
        return sum(sums), results

    weights = layer.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            loss, results = total(x)
        of = [[weight.value for weight in weights], x]
        return results, tape.gradient(loss, of, unconnected_gradients="zero")
    import jax

    def stateless(values: list[Any], x: dict[str, Any]) -> Any:
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return total(x)

    differentiated = jax.value_and_grad(stateless, argnums=(0, 1), has_aux=True)
    (_, results), gradients = differentiated([weight.value for weight in weights], x)
    return results, gradients


@variants("name", ENTRIES, core=FIRST_OF_EACH_CLASS)
def test_nan_at_masked_places_is_as_good_as_zero(name: str) -> None:
    entry = REGISTRY[name]
    layer = entry.make()
    randomize(entry.model(layer), seed=17)
    arrays = entry.arrays(3, source=5, target=4)
    floats = {k: ops.convert_to_tensor(x) for k, x in arrays.items() if x.dtype == "float32"}

    def found(value: float) -> list[np.ndarray]:
        masked = holding(value, layer)
        both = results_and_gradients(lambda x: entry.call(masked, {**arrays, **x}), layer, floats)
        return [to_numpy(x) for x in tree.flatten(both)]

    expected = found(0.0)
    assert all(np.isfinite(x).all() for x in expected)
    for result, other in zip(found(float("nan")), expected, strict=True):
        np.testing.assert_array_equal(result, other)
