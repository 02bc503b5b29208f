"""The few operations that one backend has to implement differently, one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from keras_attention.types import Nest, Tensor

_IS_PLAIN: ContextVar[bool] = ContextVar("plain gradients", default=False)


def scan(
    step: Callable[[Nest, Nest], tuple[Nest, Nest]], carry: Nest, xs: Nest
) -> tuple[Nest, Nest]:
    """Run a recurrence over the first axis: `carry, y = step(carry, x)` for each x in `xs`.

    This is `keras.ops.scan`, except on TensorFlow, where that function requires the results to have
    the structure of the carry and does not train under XLA.

    Args:
        step: Maps the carry and one step's inputs to the next carry, of the same structure, shapes
            and dtypes, and the step's results.
        carry: Nest of tensors; may be empty.
        xs: Nest of tensors with first axes of equal length.

    Returns:
        The last carry, and the results stacked along a new first axis.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.scan(step, carry, xs)
    return ops.scan(step, carry, xs)


def trained_scan(
    step: Callable[[Nest, Nest, Nest], tuple[Nest, Nest]], carry: Nest, xs: Nest, constants: Nest
) -> tuple[Nest, Nest]:
    """`scan` with a custom gradient, on backends that have one (TensorFlow).

    The gradient of a constant that `linear` multiplies by is computed once for all steps. Of each
    step, only its initial carry and the results of its linear maps are stored.

    Args:
        step: `carry, y = step(carry, x, constants)`. Must be pure: it runs again for the gradient.
        carry: Nest of floating-point tensors; may be empty.
        xs: Nest of floating-point tensors with first axes of equal length.
        constants: Nest of floating-point tensors. Anything else that a step reads gets no gradient.

    Returns:
        As `scan`. Derivatives of the custom gradient are those of the plain formulation.
    """
    if not has_own_gradient():
        return scan(lambda carry, x: step(carry, x, constants), carry, xs)
    from keras_attention.backend import tensorflow_gradient

    return tensorflow_gradient.trained_scan(step, carry, xs, constants)


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """`keras_attention.losses.cross_entropy` for float32 logits and int32 targets.

    TensorFlow gets a custom gradient, because differentiating the formula is slow there.
    """
    if has_own_gradient():
        from keras_attention.backend import tensorflow

        return tensorflow.cross_entropy(logits, targets, label_smoothing)
    losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    if label_smoothing:
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * uniform
    return losses


def dropout(
    inputs: Tensor, rate: float, seed: Any, noise_shape: Sequence[int | None] | None = None
) -> Tensor:
    """`keras.random.dropout` with a `SeedGenerator`, and the same numbers.

    TensorFlow gets the name of the generator that it would choose itself (Philox). Compiled by XLA
    for a CPU, its own choice takes 25 times as long, because it mixes the seed for each number.
    """
    if keras.backend.backend() == "tensorflow" and rate < 1.0:
        from keras_attention.backend import tensorflow

        return tensorflow.dropout(inputs, rate, seed, noise_shape)
    return keras.random.dropout(inputs, rate, noise_shape, seed)


def is_softmax(x: Tensor) -> bool:
    """Whether a tensor is known to be the output of a softmax, or of Keras's sigmoid.

    Only TensorFlow remembers where a tensor comes from; elsewhere, the result is False.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.is_softmax(x)
    return False


def has_own_gradient() -> bool:
    """Whether this package has custom gradients for the backend, and they are in use."""
    return bool(keras.backend.backend() == "tensorflow") and not _IS_PLAIN.get()


def has_fused_lstm() -> bool:
    """Whether Keras's LSTM and GRU layers are one kernel each way: that of cuDNN, on a GPU."""
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.has_gpu()
    return False


@contextmanager
def plain_gradients() -> Iterator[None]:
    """Differentiate with TensorFlow's own gradients, not with those of this package.

    Layers and losses called, or traced, inside the block get the gradient of their plain
    formulation: slower, with more memory, and the same up to rounding. Second derivatives do not
    need it: they use the plain formulation anyway. On other backends, it changes nothing.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> with ka.recurrent.plain_gradients():
        ...     scores = ka.scores.additive(np.ones((1, 2, 3)), np.ones((1, 4, 3)), np.ones(3))
        >>> tuple(scores.shape)
        (1, 2, 4)
    """
    token = _IS_PLAIN.set(True)
    try:
        yield
    finally:
        _IS_PLAIN.reset(token)


def compiled(
    function: Callable[..., Any], weights: Sequence[Any], shapes: Nest = None
) -> Callable[..., Any]:
    """Compile a function of arrays if the backend has a graph compiler.

    Args:
        function: The function; changes no variable.
        weights: The variables that it reads.
        shapes: Shapes of the tensors in its first argument, a list in their flat order, None for
            the sizes that vary between calls. By default, and in further arguments, all sizes vary.

    Returns:
        A `tf.function` that is traced once for all sizes that vary on TensorFlow, a function that
        XLA compiles for each size on JAX, and the function itself on PyTorch.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.compiled(function, shapes)
    if keras.backend.backend() == "jax":
        from keras_attention.backend import jax

        return jax.compiled(function, weights)
    return function


def jitted(
    function: Callable[..., Any], arguments: Sequence[Tensor], with_xla: bool
) -> Callable[..., Any]:
    """Compile a function of tensors for arguments like these, with XLA or without.

    JAX has nothing but XLA; on PyTorch, the result is the function itself.
    """
    if keras.backend.backend() == "tensorflow":
        from keras_attention.backend import tensorflow

        return tensorflow.jitted(function, arguments, with_xla)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def is_concrete(x: Tensor) -> bool:
    """Whether a tensor's values are known now, not only when a graph runs."""
    if keras.backend.backend() == "tensorflow":
        return hasattr(x, "numpy")
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    return True
