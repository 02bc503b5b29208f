"""The public names: `__all__` of the package and of its namespaces."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import keras_attention as ka

NAMESPACES: dict[str, ModuleType] = {
    name: getattr(ka, name) for name in ka.__all__ if inspect.ismodule(getattr(ka, name))
}
PUBLIC: dict[str, Any] = {
    f"{namespace}.{name}": getattr(module, name)
    for namespace, module in NAMESPACES.items()
    for name in module.__all__
}
"""Public objects by namespace and name, for example `attention.BahdanauAttention`."""


def public_classes(kind: type | tuple[type, ...] = object) -> dict[str, type]:
    """Public classes of a kind by name, without their namespace."""
    return {
        path.rpartition(".")[2]: value
        for path, value in PUBLIC.items()
        if inspect.isclass(value) and issubclass(value, kind)
    }
