"""Shapes of a layer's results."""

from __future__ import annotations

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
        given = [self._symbolic(shape) for shape in shapes]
        named = {
            name.removesuffix("_shape"): self._symbolic(x) if name.endswith("_shape") else x
            for name, x in arguments.items()
        }
        results = self.compute_output_spec(*given, **named)
        return keras.tree.map_structure(lambda x: tuple(x.shape), results)

    def _symbolic(self, shape: Shape | None) -> Any:
        if shape is None:
            return None
        if any(isinstance(size, list | tuple) for size in shape):
            return [self._symbolic(size) for size in shape]
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
