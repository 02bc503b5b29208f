"""A pass over the data, in parts; each is planned by itself, and one is in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from keras_attention.ids import END_ID
from keras_attention.text.tokenizer import SentencePieceTokenizer
from training.corpora.pairs import Pair
from training.shards.rows import Ids, Rows

Lengths = tuple[int, int]
"""The number of source tokens and target tokens, including the end token."""

Tokenizers = tuple[SentencePieceTokenizer, SentencePieceTokenizer]
"""The source tokenizer and the target tokenizer."""


class Part(Protocol):
    """Pairs that are planned together."""

    def lengths(self) -> list[Lengths]:
        """Return the lengths of all pairs."""

    def pairs(self) -> EncodedPairs:
        """Return the pairs."""


class Passes(Protocol):
    """The data of a training, pass after pass."""

    def parts(self, number: int) -> Sequence[Part]:
        """Return the parts of a pass, given its number from 0; deterministic."""


@dataclass(frozen=True, eq=False)
class EncodedPairs:
    """The ids of pairs; a part that is in memory.

    Attributes:
        source: The ids of all sources.
        target: The ids of all targets.
    """

    source: Rows
    target: Rows

    @classmethod
    def of(cls, pairs: Sequence[Pair], tokenizers: Tokenizers) -> EncodedPairs:
        """Encode pairs of text."""
        source, target = (
            Rows.encoded((pair[side] for pair in pairs), tokenizer)
            for side, tokenizer in enumerate(tokenizers)
        )
        return cls(source, target)

    def lengths(self) -> list[Lengths]:
        """Return the lengths of all pairs."""
        return self._lengths

    def pairs(self) -> EncodedPairs:
        """Return the pairs themselves."""
        return self

    @cached_property
    def _lengths(self) -> list[Lengths]:
        sides = (rows.lengths.tolist() for rows in (self.source, self.target))
        return list(zip(*sides, strict=True))

    def batch(
        self, chosen: Sequence[int], rows: int, widths: Lengths, start_id: int
    ) -> tuple[dict[str, Ids], Ids]:
        """Return a batch `({"source", "target"}, labels)`, padded with 0.

        The source ends with the end token; the target starts with the start token, and the labels
        end with the end token. Rows beyond the chosen ones are padding, which affects neither loss
        nor metrics.

        Args:
            chosen: The numbers of the pairs.
            rows: The number of rows.
            widths: The lengths that sources and targets are padded to.
            start_id: The decoder's first token.

        Raises:
            ValueError: If there are more pairs than rows, or one is longer than its width.
        """
        source, target = widths
        inputs = {
            "source": self.source.padded(chosen, rows, source, last=END_ID),
            "target": self.target.padded(chosen, rows, target, first=start_id),
        }
        return inputs, self.target.padded(chosen, rows, target, last=END_ID)


class TextPasses:
    """Pairs of text that fit into memory; a pass is one part.

    Args:
        pairs: A deterministic function from the number of a pass to its pairs.
        tokenizers: The source and target tokenizers.
    """

    def __init__(self, pairs: Callable[[int], Sequence[Pair]], tokenizers: Tokenizers) -> None:
        self._make = pairs
        self._tokenizers = tokenizers
        self._number: int | None = None
        self._pairs: Sequence[Pair] | None = None
        self._part: EncodedPairs

    def parts(self, number: int) -> list[EncodedPairs]:
        """Return the pairs of a pass; those of the last one are kept, if they are the same."""
        if number != self._number:
            pairs = self._make(number)
            if pairs is not self._pairs:
                self._part = EncodedPairs.of(pairs, self._tokenizers)
            self._number, self._pairs = number, pairs
        return [self._part]


def counts(parts: Iterable[Part]) -> Counter[Lengths]:
    """Return how many pairs have which lengths."""
    found: Counter[Lengths] = Counter()
    for part in parts:
        found.update(part.lengths())
    return found
