"""The functions of a model that were compiled once, for its next calls."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from keras_attention.backend import compiled
from keras_attention.types import Nest


class CompiledFunctions:
    """A cache of compiled functions; a search is keyed by its options and maximum length.

    Functions compiled for other weights than a model's are forgotten: quantizing replaces weights,
    and LoRA adds some.

    This is an object, not a dictionary, because exporters save every dictionary attribute of a
    model.
    """

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Callable[..., Any]] = {}
        self._weights: Hashable = None

    def get(
        self,
        key: Hashable,
        function: Callable[..., Any],
        weights: Sequence[Any],
        shapes: Nest = None,
    ) -> Callable[..., Any]:
        """The function cached under `key`, which reads `weights`; compiled at its first call."""
        kinds = tuple((weight.path, weight.dtype) for weight in weights)
        if kinds != self._weights:
            self.by_key, self._weights = {}, kinds
        return self.by_key.setdefault(key, compiled(function, shapes))
