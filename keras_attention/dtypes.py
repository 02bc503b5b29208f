"""Types of numbers: what is computed in which."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.types import Tensor


def floating(x: Tensor) -> Tensor:
    """A tensor of floating-point numbers; integers become Keras's default type."""
    x = ops.convert_to_tensor(x)
    is_float = "float" in keras.backend.standardize_dtype(x.dtype)
    return x if is_float else ops.cast(x, keras.config.floatx())


def at_least_float32(x: Tensor) -> Tensor:
    """A tensor of float32, or of float64 where it has that already.

    Under mixed precision products are formed in 16 bits, where they gain most. What comes between
    them (sums, gates, tanh, softmax) is formed in float32: more exact, and on CPUs faster, which
    know little else than products in 16 bits.
    """
    is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
    return x if is_double else ops.cast(x, "float32")
