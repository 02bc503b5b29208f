"""Type aliases for annotations: Keras tensors have no common type across backends."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
Nest: TypeAlias = Any
Shape: TypeAlias = tuple[Any, ...]
