"""The maxout layer."""

from __future__ import annotations

from functools import reduce
from typing import Any

import keras
from keras import ops

from keras_attention.checks import check_positive
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class Maxout(keras.layers.Layer):
    """A dense layer in which each unit is the maximum of several linear units.

    Formula, for U units and pools of n: `y_u = max_k (x W + b)_{k U + u}`, k from 0 to n - 1.

    Args:
        units: U, size of the output.
        pool_size: n, number of linear units in each maximum.

    Call arguments:
        inputs: (..., D).

    Returns:
        (..., U).

    Raises:
        ValueError: If a size is not positive.

    Attributes:
        kernel: W, (D, n U).
        bias: b, (n U,).

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> tuple(ka.model.Maxout(5)(np.ones((2, 3, 7), "float32")).shape)
        (2, 3, 5)

    Reference: Goodfellow et al. 2013, section 3; before the logits, Bahdanau, Cho and Bengio 2015,
    appendix A.2.2.
    """

    def __init__(self, units: int, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive("units", units)
        check_positive("pool_size", pool_size)
        self.units, self.pool_size = units, pool_size
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        """Create the weights for inputs (..., D)."""
        columns = self.units * self.pool_size
        self.kernel = self.add_weight(name="kernel", shape=(inputs_shape[-1], columns))
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer="zeros")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the maximum of each pool; see the class."""
        linear = ops.matmul(inputs, self.kernel) + self.bias
        return reduce(ops.maximum, ops.split(linear, self.pool_size, axis=-1))

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        """The shape of the inputs, with U features."""
        return (*inputs_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units, "pool_size": self.pool_size}
