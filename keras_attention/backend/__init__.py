"""The few paths where one framework needs its own formulation, behind one function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_attention.types import Nest, Tensor


def scan(
    step: Callable[[Nest, Nest], tuple[Nest, Nest]], carry: Nest, xs: Nest
) -> tuple[Nest, Nest]:
    """Run a recurrence over the first axis: `carry, y = step(carry, x)` for each x in `xs`.

    `keras.ops.scan`, except on TensorFlow, where that one ties the structure of the results to
    that of the carry and does not train under XLA.

    Args:
        step: A function from carry and one step's inputs to the next carry, of the same structure,
            shapes and types, and one step's results.
        carry: Nest of tensors, may be empty.
        xs: Nest of tensors that share their first axis.

    Returns:
        The last carry, and the results stacked over a new first axis.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.scan(step, carry, xs)
    return ops.scan(step, carry, xs)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays where the backend has a graph compiler for unknown shapes.

    On TensorFlow a `tf.function` that is traced once for any batch and length; elsewhere the
    function itself.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.compiled(function)
    return function


def is_concrete(x: Tensor) -> bool:
    """Whether the numbers in a tensor are known now, and not only when a graph runs."""
    if keras.backend.backend() == "tensorflow":
        return hasattr(x, "numpy")
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    return True
