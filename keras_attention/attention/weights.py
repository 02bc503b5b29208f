"""Keras's initializers, regularizers and constraints for the weights of attention layers."""

from __future__ import annotations

from typing import Any

import keras

from keras_attention.types import Shape

_KINDS = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


class WeightOptions(keras.layers.Layer):
    """Layer with the arguments of `keras.layers.Dense` for its kernels and its bias.

    Args:
        kernel_initializer: Initializer of each kernel, all weights of the score except a bias and a
            scale. Each kernel gets a copy, so that two of the same shape differ.
        bias_initializer: Initializer of the bias.
        kernel_regularizer: Regularizer of each kernel, or None.
        bias_regularizer: Regularizer of the bias, or None.
        kernel_constraint: Constraint of each kernel, or None.
        bias_constraint: Constraint of the bias, or None.
    """

    def __init__(
        self,
        *,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = _named(kernel_initializer, "glorot_uniform")
        self.bias_initializer = _named(bias_initializer, "zeros")
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def add_kernel(self, name: str, shape: Shape) -> Any:
        """Create a kernel with the options for kernels."""
        return self._add(name, shape, "kernel")

    def add_bias(self, name: str, shape: Shape) -> Any:
        """Create a bias with the options for biases."""
        return self._add(name, shape, "bias")

    def _add(self, name: str, shape: Shape, role: str) -> Any:
        options = {kind: getattr(self, f"{role}_{kind}") for kind in _KINDS}
        if isinstance(options["initializer"], keras.initializers.Initializer):
            options["initializer"] = options["initializer"].clone()
        return self.add_weight(name=name, shape=shape, **options)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        options = {
            f"{role}_{kind}": module.serialize(getattr(self, f"{role}_{kind}"))
            for kind, module in _KINDS.items()
            for role in ("kernel", "bias")
        }
        return {**super().get_config(), **options}


def _named(initializer: Any, default: str) -> Any:
    """The initializer; the default stays a name, of which each weight makes its own when built."""
    return default if initializer == default else keras.initializers.get(initializer)
