"""Products with the constants of a loop: their gradients can be computed outside the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from keras import ops

from keras_attention.types import Tensor

Product = Callable[[Tensor, Tensor, bool], Tensor]


class LinearMap(NamedTuple):
    """One product computed in a step of a loop.

    Attributes:
        constant: Index of W among the loop's constants.
        transposed: Whether the product is with `W^T`.
        x: The tensor multiplied by W.
        y: The product.
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

    If W is one of the constants of a trained loop, its gradient is computed once for all steps (see
    `keras_attention.backend.trained_scan`).

    Args:
        x: (..., D).
        kernel: W (D, E), or one per row (B, D, E); if transposed, (E, D) or (B, E, D).
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
    """Compute `x W` or `x W^T`, and record nothing."""
    return ops.matmul(x, ops.swapaxes(kernel, -1, -2) if transposed else kernel)


@contextmanager
def watched(constants: Sequence[Tensor], product: Product = product) -> Iterator[list[LinearMap]]:
    """Record the products with any of a loop's constants.

    Args:
        constants: The constants: the same tensor objects that the step receives.
        product: Computes a product, or returns it if it is known already.
    """
    maps: list[LinearMap] = []
    token = _WATCH.set(_Watch(constants, product, maps))
    try:
        yield maps
    finally:
        _WATCH.reset(token)
