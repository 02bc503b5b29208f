"""Sentences by the length of their source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Bucket(NamedTuple):
    """Sentences of similar length.

    Attributes:
        shortest: The fewest words of a source.
        longest: The most words of a source.
        places: Which sentences these are, ascending.
    """

    shortest: int
    longest: int
    places: np.ndarray

    @property
    def name(self) -> str:
        """The lengths, "8-11"."""
        return (
            str(self.longest)
            if self.shortest == self.longest
            else f"{self.shortest}-{self.longest}"
        )


def length_buckets(sources: Sequence[str], count: int) -> list[Bucket]:
    """Sort sentences into buckets by the words of their source, as equal in size as they can be.

    Sentences of one length are in one bucket, so sizes differ a little, and there are fewer buckets
    where there are too few lengths.

    ```python
    >>> [bucket.name for bucket in length_buckets(["a", "a b", "b a", "a b c", "a b c d"], 3)]
    ['1', '2', '3-4']

    ```

    Args:
        sources: Texts; words are what white space separates.
        count: How many buckets, at most.
    """
    words = np.array([len(source.split()) for source in sources])
    lengths, sizes = np.unique(words, return_counts=True)
    up_to = np.cumsum(sizes)
    goals = len(words) * np.arange(1, count) / count
    last = sorted({*(int(np.abs(up_to - goal).argmin()) for goal in goals), len(lengths) - 1})
    buckets, first = [], 0
    for end in last:
        shortest, longest = int(lengths[first]), int(lengths[end])
        places = np.flatnonzero((words >= shortest) & (words <= longest))
        buckets.append(Bucket(shortest, longest, places))
        first = end + 1
    return buckets
