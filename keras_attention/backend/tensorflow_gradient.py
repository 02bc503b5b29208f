"""Gradient of a recurrence on TensorFlow: back through the steps, then all matrices at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_attention.backend.linear import LinearMap, watched
from keras_attention.backend.tensorflow import differentiable, scan
from keras_attention.types import Nest

Step = Callable[[Nest, Nest, Nest], tuple[Nest, Nest]]


class _Kept(NamedTuple):
    """What the backward pass needs of a step: its initial carry and its linear maps' results."""

    carry: Nest
    products: list[tf.Tensor]


class _Gradients(NamedTuple):
    """Gradients of one step; None for a constant that is unused or used in linear maps only."""

    carry: Nest
    x: Nest
    products: list[tf.Tensor]
    constants: list[tf.Tensor | None]
    mapped: list[tf.Tensor]


def trained_scan(step: Step, carry: Nest, xs: Nest, constants: Nest) -> tuple[Nest, Nest]:
    """`keras_attention.backend.trained_scan`.

    TensorFlow's own gradient of a loop stores everything that a step computes, and accumulates the
    gradients of matrices step by step. Here, the forward pass stores each step's initial carry and
    the results of its linear maps. The backward pass recomputes the rest of the step,
    differentiates it, and stores the inputs of its linear maps and the gradients of their results.
    Derivatives of that gradient are those of the plain loop.
    """
    given = tf.nest.map_structure(tf.convert_to_tensor, (carry, xs, constants))
    results: Nest = None

    def plain(*flat: tf.Tensor) -> list[tf.Tensor]:
        carry, xs, constants = tf.nest.pack_sequence_as(given, flat)
        return tf.nest.flatten(scan(lambda carry, x: step(carry, x, constants), carry, xs))

    @tf.custom_gradient
    def run(*flat: tf.Tensor) -> Any:
        nonlocal results
        carry, xs, constants = tf.nest.pack_sequence_as(given, flat)
        maps: list[LinearMap] = []

        def keeping(carry: Nest, x: Nest) -> tuple[Nest, Nest]:
            with watched(tf.nest.flatten(constants)) as found:
                after, y = step(carry, x, constants)
            maps[:] = found
            return after, (y, _Kept(carry, [m.y for m in found]))

        last, (ys, steps) = scan(keeping, carry, xs)
        results = last, ys

        def gradient(*upstream: tf.Tensor) -> list[tf.Tensor | None]:
            d_last, d_ys = tf.nest.pack_sequence_as(results, upstream)
            found = _backward(step, constants, (steps, xs), maps, d_last, d_ys)
            return differentiable(found, plain, flat, upstream)

        return tf.nest.flatten(results), gradient

    flat = run(*tf.nest.flatten(given))
    return tuple(tf.nest.pack_sequence_as(results, flat))


def _backward(
    step: Step,
    constants: Nest,
    steps: tuple[_Kept, Nest],
    maps: Sequence[LinearMap],
    d_last: Nest,
    d_ys: Nest,
) -> list[tf.Tensor | None]:
    """Gradients of the initial carry, the inputs of all steps, and the constants."""
    flat = tf.nest.flatten(constants)

    def back(carry: Nest, x: Nest) -> tuple[Nest, Nest]:
        d_after, totals = carry
        (kept, x), d_y = x
        d = _differentiated(step, constants, kept, x, (d_after, d_y))
        totals = {i: total + tf.cast(d.constants[i], total.dtype) for i, total in totals.items()}
        return (d.carry, totals), (d.x, d.products, d.mapped)

    (kept, x), d_y = tf.nest.map_structure(lambda x: x[0], (steps, d_ys))
    example = _differentiated(step, constants, kept, x, (d_last, d_y))
    used = [i for i, d in enumerate(example.constants) if d is not None]
    carry = d_last, {i: tf.zeros_like(flat[i], _summed(flat[i].dtype)) for i in used}
    (d_carry, totals), (d_xs, d_products, mapped) = scan(back, carry, (steps, d_ys), reverse=True)
    for linear, x, dy in zip(maps, mapped, d_products, strict=True):
        d = _kernel_gradient(x, dy, linear.transposed, rank=len(flat[linear.constant].shape))
        d = tf.cast(d, _summed(d.dtype))
        totals[linear.constant] = totals.get(linear.constant, 0.0) + d
    d_constants = [tf.cast(totals[i], x.dtype) if i in totals else None for i, x in enumerate(flat)]
    return [*tf.nest.flatten((d_carry, d_xs)), *d_constants]


def _differentiated(
    step: Step, constants: Nest, kept: _Kept, x: Nest, upstream: Nest
) -> _Gradients:
    """Recompute one step and return its gradients."""
    own = [tf.identity(x) for x in tf.nest.flatten(constants)]
    sources = (kept.carry, x, kept.products, own)
    products = iter(kept.products)

    def known(x: tf.Tensor, kernel: tf.Tensor, transposed: bool) -> tf.Tensor:
        return _known_product(x, kernel, next(products), transposed)

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tf.nest.flatten(sources))
        with watched(own, known) as maps:
            results = step(kept.carry, x, tf.nest.pack_sequence_as(constants, own))
    *found, d_constants = tape.gradient(results, sources, output_gradients=upstream)
    d_carry, d_x, d_products = _with_zeros(found, sources[:-1])
    return _Gradients(d_carry, d_x, d_products, d_constants, [m.x for m in maps])


def _known_product(
    x: tf.Tensor, kernel: tf.Tensor, product: tf.Tensor, transposed: bool
) -> tf.Tensor:
    """Return the known `x W`; its gradient becomes that of `product` and flows on to x."""

    @tf.custom_gradient
    def given(x: tf.Tensor, product: tf.Tensor) -> Any:
        def gradient(d: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.matmul(d, kernel, transpose_b=not transposed), d

        return product, gradient

    return given(x, product)


def _kernel_gradient(x: tf.Tensor, dy: tf.Tensor, transposed: bool, rank: int) -> tf.Tensor:
    """`dW = sum_t x_t^T dy_t` for (T, ..., D) and (T, ..., E), for one matrix or one per row."""
    left, right = (dy, x) if transposed else (x, dy)
    if rank == 3:
        return tf.einsum("tbqd,tbqe->bde", left, right)
    left, right = (tf.reshape(z, (-1, z.shape[-1])) for z in (left, right))
    return tf.matmul(left, right, transpose_a=True)


def _with_zeros(gradients: Nest, sources: Nest) -> Nest:
    """Replace missing gradients by zeros."""
    pairs = zip(tf.nest.flatten(gradients), tf.nest.flatten(sources), strict=True)
    filled = [tf.zeros_like(source) if d is None else d for d, source in pairs]
    return tf.nest.pack_sequence_as(sources, filled)


def _summed(dtype: tf.DType) -> tf.DType:
    """The dtype for sums of many terms."""
    return tf.float32 if dtype.size < 4 else dtype
