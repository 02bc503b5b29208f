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


def trained_scan(
    step: Callable[[Nest, Nest, Nest], tuple[Nest, Nest]], carry: Nest, xs: Nest, constants: Nest
) -> tuple[Nest, Nest]:
    """`scan` with a gradient of its own, where the backend has one (on TensorFlow).

    The gradient of a constant that `linear` multiplies by is formed once for all steps, and of a
    step nothing is kept but what it starts from and what its linear maps give.

    Args:
        step: `carry, y = step(carry, x, constants)`, pure: it is run once more for the gradient.
        carry: Nest of floating-point tensors, may be empty.
        xs: Nest of floating-point tensors that share their first axis.
        constants: Nest of floating-point tensors. Whatever else a step reads gets no gradient.

    Returns:
        As `scan`. There are no second derivatives: asking for one is an error.
    """
    if not has_own_gradient():
        return scan(lambda carry, x: step(carry, x, constants), carry, xs)
    from keras_attention.backend import tensorflow_gradient

    return tensorflow_gradient.trained_scan(step, carry, xs, constants)


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """`keras_attention.losses.cross_entropy` of logits in float32 and targets in int32.

    On TensorFlow with a gradient of its own, since there the one of the formula is slow.
    """
    if has_own_gradient():
        from keras_attention.backend import tensorflow

        return tensorflow.cross_entropy(logits, targets, label_smoothing)
    losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    if label_smoothing:
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * uniform
    return losses


def has_own_gradient() -> bool:
    """Whether the backend has gradients of our own."""
    return bool(keras.backend.backend() == "tensorflow")


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
