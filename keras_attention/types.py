"""Names for what the annotations mean: Keras tensors have no common type over its backends."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
Nest: TypeAlias = Any
Shape: TypeAlias = tuple[Any, ...]
