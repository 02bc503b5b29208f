"""Products with what stays the same in a loop: their gradients need not be formed in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from keras import ops

from keras_attention.types import Tensor

Product = Callable[[Tensor, Tensor, bool], Tensor]


class LinearMap(NamedTuple):
    """One product that a step of a loop made.

    Attributes:
        constant: The place of W among the loop's constants.
        transposed: Whether it was by `W^T`.
        x: What was multiplied.
        y: What came out.
    """

    constant: int
    transposed: bool
    x: Tensor
    y: Tensor


class _Watch(NamedTuple):
    constants: Sequence[Tensor]
    product: Product
    maps: list[LinearMap]


_WATCH: ContextVar[_Watch | None] = ContextVar("linear maps of a step", default=None)


def linear(x: Tensor, kernel: Tensor, transposed: bool = False) -> Tensor:
    """The product `x W` or `x W^T`.

    In a loop that is trained, and if W is one of its constants, the gradient of W is formed once
    for all steps (see `keras_attention.backend.trained_scan`).

    Args:
        x: (..., D).
        kernel: W, (D, E), or one for each row, (B, D, E); transposed (E, D) or (B, E, D).
        transposed: Whether to multiply by the transpose.

    Returns:
        (..., E).
    """
    watch = _WATCH.get()
    places = [i for i, c in enumerate(watch.constants) if c is kernel] if watch else []
    if watch is None or not places:
        return product(x, kernel, transposed)
    y = watch.product(x, kernel, transposed)
    watch.maps.append(LinearMap(places[0], transposed, x, y))
    return y


def product(x: Tensor, kernel: Tensor, transposed: bool) -> Tensor:
    """`x W` or `x W^T`, nothing else."""
    return ops.matmul(x, ops.swapaxes(kernel, -1, -2) if transposed else kernel)


@contextmanager
def watched(constants: Sequence[Tensor], product: Product = product) -> Iterator[list[LinearMap]]:
    """Collect the products with any of a loop's constants.

    Args:
        constants: The constants, the very tensors that the step is given.
        product: What makes a product, or knows it already.
    """
    maps: list[LinearMap] = []
    token = _WATCH.set(_Watch(constants, product, maps))
    try:
        yield maps
    finally:
        _WATCH.reset(token)
