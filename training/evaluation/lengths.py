"""Group sentences by source length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Bucket(NamedTuple):
    """Sentences of similar length.

    Attributes:
        shortest: The minimum number of words.
        longest: The maximum number of words.
        places: The indices of the sentences, ascending.
    """

    shortest: int
    longest: int
    places: np.ndarray

    @property
    def name(self) -> str:
        """The range of lengths, such as "8-11"."""
        return (
            str(self.longest)
            if self.shortest == self.longest
            else f"{self.shortest}-{self.longest}"
        )


def length_buckets(sources: Sequence[str], count: int) -> list[Bucket]:
    """Group sentences by the number of source words into buckets of about equal size.

    Sentences of equal length are always in the same bucket, so sizes may differ, and there may be
    fewer buckets than requested.

    ```python
    >>> [bucket.name for bucket in length_buckets(["a", "a b", "b a", "a b c", "a b c d"], 3)]
    ['1', '2', '3-4']

    ```

    Args:
        sources: Texts; words are separated by white space.
        count: The maximum number of buckets.
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
