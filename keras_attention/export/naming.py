"""Names for the tensors of a nest, as inputs and outputs of exported functions have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def named(nest: Any, name: str = "output", is_inside: bool = False) -> Iterator[tuple[str, Any]]:
    """Names and tensors of a nest: keys and fields, and `NAME_0`, `NAME_1`, ... elsewhere."""
    if nest is None:
        return
    items: Any = None
    if isinstance(nest, Mapping):
        items = nest.items()
    elif hasattr(nest, "_fields"):
        items = zip(nest._fields, nest, strict=True)
    if items is not None:
        for key, value in items:
            yield from named(value, f"{name}_{key}" if is_inside else str(key), True)
    elif isinstance(nest, list | tuple):
        for i, value in enumerate(nest):
            yield from named(value, f"{name}_{i}", True)
    else:
        yield (name if is_inside else f"{name}_0"), nest
