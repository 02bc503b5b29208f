"""Checks of arguments: each names the argument, what was expected, and what came."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any


def check_positive(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value <= 0:
        raise ValueError(
            f"Argument `{name}` must be a positive integer. Received: {name}={value!r}"
        )


def check_dropout(name: str, value: float) -> None:
    """Raise `ValueError` unless `value` is a fraction of at least 0 and below 1."""
    if not 0.0 <= value < 1.0:
        raise ValueError(
            f"Argument `{name}` must be at least 0 and below 1. Received: {name}={value}"
        )


def check_one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise `ValueError` unless `value` is one of those allowed."""
    if value not in allowed:
        raise ValueError(
            f"Argument `{name}` must be one of {tuple(allowed)}. Received: {name}={value!r}"
        )


def fits(shape: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether two shapes are equal as far as they are known."""
    return len(shape) == len(expected) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True)
    )


def check_shape(name: str, shape: Sequence[Any], other: str, expected: Sequence[Any]) -> None:
    """Raise `ValueError` where a shape, as far as it is known, is not what another one asks."""
    if not fits(shape, expected):
        raise ValueError(
            f"Argument `{name}` does not fit `{other}`: expected (batch, ...) = {tuple(expected)}. "
            f"Received: {name} of {tuple(shape)}"
        )


def check_rank(name: str, shape: Sequence[Any], axes: str) -> None:
    """Raise `ValueError` unless a shape has as many axes as `axes` names, say "(batch, length)"."""
    if len(shape) != axes.count(",") + 1:
        raise ValueError(
            f"Argument `{name}` must have the axes {axes}. Received: {name}.shape={tuple(shape)}"
        )
