"""Token ids of many texts, in one array."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keras_attention.text.tokenizer import SentencePieceTokenizer

Ids = npt.NDArray[np.int32]
_AT_ONCE = 10_000  # texts to encode, of which each id is an object for a while


@dataclass(frozen=True, eq=False)
class Rows:
    """The ids of texts, row after row, without start and end.

    Attributes:
        ids: (N,), the ids of all rows.
        begins: (R + 1,), where each row begins, and where the last one ends.
    """

    ids: Ids
    begins: npt.NDArray[np.int64]

    @classmethod
    def encoded(cls, texts: Iterable[str], tokenizer: SentencePieceTokenizer) -> Rows:
        """Encode texts."""
        parts = [
            (
                np.fromiter(itertools.chain.from_iterable(rows), np.int32),
                np.fromiter(map(len, rows), np.int64),
            )
            for some in _in_parts(texts, _AT_ONCE)
            for rows in [tokenizer.encode(some)]
        ]
        ids = np.concatenate([np.empty(0, np.int32), *(ids for ids, _ in parts)])
        begins = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(n for _, n in parts)]))
        return cls(ids, begins)

    def __len__(self) -> int:
        return len(self.begins) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(R,), the numbers of tokens, including the end token."""
        return np.diff(self.begins) + 1

    def only(self, chosen: Sequence[int]) -> Rows:
        """Return the chosen rows, in their order."""
        places = np.asarray(chosen, np.int64)
        sizes = self.begins[places + 1] - self.begins[places]
        begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        shifts = np.repeat(self.begins[places] - begins[:-1], sizes)
        return Rows(self.ids[shifts + np.arange(begins[-1])], begins)

    def padded(
        self,
        chosen: Sequence[int],
        rows: int,
        width: int,
        *,
        first: int | None = None,
        last: int | None = None,
    ) -> Ids:
        """Return chosen rows (B, W), padded with 0; rows of padding follow.

        Args:
            chosen: The numbers of the rows, at most B.
            rows: The number of rows B.
            width: The width W.
            first: The id to put before each of them.
            last: The id to put behind each of them.

        Raises:
            ValueError: If a row is too long.
        """
        places = np.asarray(chosen, np.int64)
        begins = self.begins[places]
        sizes = self.begins[places + 1] - begins
        shift, count = int(first is not None), len(places)
        longest = int(sizes.max(initial=0)) + shift + (last is not None)
        if longest > width or count > rows:
            raise ValueError(
                f"A batch ({rows}, {width}) cannot hold {count} rows of up to {longest} tokens."
            )
        found = np.zeros((rows, width), np.int32)
        columns = np.arange(width - shift)
        there = columns < sizes[:, None]
        found[:count, shift:][there] = self.ids[(begins[:, None] + columns)[there]]
        if first is not None:
            found[:count, 0] = first
        if last is not None:
            found[np.arange(count), sizes + shift] = last
        return found


def _in_parts(texts: Iterable[str], size: int) -> Iterable[list[str]]:
    remaining = iter(texts)
    while part := list(itertools.islice(remaining, size)):
        yield part
