"""Dtypes: which computations run in which one."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.types import Tensor


def floating(x: Tensor) -> Tensor:
    """Return `x` as a floating-point tensor; integers are cast to `keras.config.floatx()`."""
    x = ops.convert_to_tensor(x)
    is_float = "float" in keras.backend.standardize_dtype(x.dtype)
    return x if is_float else ops.cast(x, keras.config.floatx())


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` in float32, or in float64 if it already is.

    Under mixed precision, matrix products run in 16 bits, where that saves most. Everything between
    them (sums, gates, tanh, softmax) runs in float32. That is more accurate, and faster on CPUs,
    which support few 16-bit operations other than products.
    """
    is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
    return x if is_double else ops.cast(x, "float32")
