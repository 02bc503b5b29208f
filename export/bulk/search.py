"""Searches of an export."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from export.bulk.session import Arrays, Session, Tell
from export.bulk.settings import Settings
from export.bulk.tokenizers import END_ID

OUTPUTS = ("ids", "lengths", "scores")


class Found(NamedTuple):
    """A translation as ids.

    Attributes:
        ids: The target tokens, with the end token.
        score: The score.
        attention: Weights (T, S), or None if nobody has asked for them.
    """

    ids: list[int]
    score: float
    attention: np.ndarray | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the end token was reached; a line without tokens has nothing to end."""
        return self.ids[-1] == END_ID if self.ids else self.score == 0


EMPTY = Found([], 0.0)
"""The translation of a line without tokens."""


class Search:
    """A search of an export.

    Args:
        settings: The file of the search, and how to run it.
        attention: Whether to return attention weights.

    Raises:
        Refused: If the file needs other libraries or files than exports do.
        ValueError: If the provider is not available.
    """

    def __init__(self, settings: Settings, attention: bool = False) -> None:
        self._session = Session(settings, [*OUTPUTS, "attention"] if attention else OUTPUTS)
        self._count = settings.n_best or 1

    def __call__(self, ids: Mapping[str, Sequence[Sequence[int]]], tell: Tell) -> list[list[Found]]:
        """Return the translations of lines, best first.

        Args:
            ids: The rows of the input `source`, with their end tokens.
            tell: Is called with the number of lines of each batch that is done.
        """
        done = self._session(ids, self._results, tell)
        return [done.get(place, [EMPTY]) for place in range(len(ids["source"]))]

    def _results(self, given: Arrays, found: Arrays) -> list[list[Found]]:
        lengths = np.count_nonzero(given["source"], axis=1).tolist()
        return [list(self._row(found, i, n)) or [_NONE] for i, n in enumerate(lengths)]

    def _row(self, found: dict[str, np.ndarray], row: int, source: int) -> Iterator[Found]:
        attention = found.get("attention")
        for k, length in enumerate(found["lengths"][row, : self._count].tolist()):
            if length > 0:
                weights = None
                if attention is not None and k == 0:
                    weights = attention[row, k, :length, :source].copy()
                ids = found["ids"][row, k, :length].tolist()
                yield Found(ids, float(found["scores"][row, k]), weights)


_NONE = Found([], -math.inf)
