"""Shapes of a layer's results."""

from __future__ import annotations

from inspect import signature
from typing import Any

import keras

from keras_attention.types import Shape


class SpecifiedLayer(keras.layers.Layer):
    """Base layer of layers that define `compute_output_spec`; their shapes follow from it."""

    def compute_output_shape(self, *shapes: Any, **arguments: Any) -> Any:
        """Return the shapes of the results of `call`.

        Args:
            *shapes: Shapes of the tensors that `call` takes, in its order; lists for lists of
                tensors, None for None.
            **arguments: Likewise by name, `memory_shape` for `memory`, and other arguments of
                `call` as they are.
        """
        named = dict(zip(signature(self.call).parameters, shapes, strict=False))
        given = {name: self._symbolic(name, shape) for name, shape in named.items()}
        for name, x in arguments.items():
            own = name.removesuffix("_shape")
            given[own] = self._symbolic(own, x) if own != name else x
        results = self.compute_output_spec(**given)
        return keras.tree.map_structure(lambda x: tuple(x.shape), results)

    def _symbolic(self, name: str, shape: Shape | None) -> Any:
        if shape is None:
            return None
        if any(isinstance(size, list | tuple) for size in shape):
            return [self._symbolic(name, size) for size in shape]
        dtype = "bool" if name.endswith("mask") else self.compute_dtype
        return keras.KerasTensor(shape, dtype=dtype)
