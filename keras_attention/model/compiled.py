"""The functions of a model that were compiled once, for its next calls."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any

from keras_attention.backend import compiled
from keras_attention.types import Nest

MOST = 16
"""The number of compiled functions that a model keeps; a small model's take about 10 MB each."""


class CompiledFunctions:
    """A cache of compiled functions; a search is keyed by its options and maximum length.

    It keeps the `MOST` that were used last. Functions compiled for other weights than a model's are
    forgotten: quantizing replaces weights, and LoRA adds some. Copies of a model begin without any.

    This is an object, not a dictionary, because exporters save every dictionary attribute of a
    model.
    """

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Callable[..., Any]] = {}
        self._weights: Hashable = None
        self._changing = Lock()

    def __reduce__(self) -> tuple[type[CompiledFunctions], tuple[()]]:
        return CompiledFunctions, ()

    def get(
        self,
        key: Hashable,
        function: Callable[..., Any],
        weights: Sequence[Any],
        shapes: Nest = None,
    ) -> Callable[..., Any]:
        """The function cached under `key`, which reads `weights`; compiled at its first call."""
        kinds = tuple((weight.path, weight.dtype) for weight in weights)
        with self._changing:
            if kinds != self._weights:
                self.by_key, self._weights = {}, kinds
            found = self.by_key.pop(key, None) or compiled(function, weights, shapes)
            self.by_key[key] = found  # a dictionary is in order, so the last one used is at its end
            if len(self.by_key) > MOST:
                del self.by_key[next(iter(self.by_key))]
            return found
