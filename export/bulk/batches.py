"""Lines of similar length in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def batches(lengths: Sequence[tuple[int, ...]], tokens: int) -> Iterator[list[int]]:
    """Yield the places of lines in batches, from the shortest to the longest line.

    Args:
        lengths: The numbers of tokens of each line, one for each of its sides. Lines are sorted by
            the first, then by the next; a line without tokens is left out.
        tokens: The maximum number of tokens of a batch on all sides, with padding; a line that has
            more is a batch of its own.

    Example:
        >>> list(batches([(3,), (0,), (2,), (2,), (9,)], 6))
        [[2, 3], [0], [4]]
        >>> list(batches([(3, 4), (2, 5), (2, 1), (1, 2)], 16))
        [[3, 2], [1, 0]]
    """
    batch: list[int] = []
    widest: tuple[int, ...] = ()
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        line = lengths[place]
        if not any(line):
            continue
        wider = tuple(map(max, widest, line)) if batch else line
        if batch and sum(wider) * (len(batch) + 1) > tokens:
            yield batch
            batch, wider = [], line
        widest = wider
        batch.append(place)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Return ids in one array (B, S), padded by 0.

    Example:
        >>> padded([[5, 2], [4, 6, 2]]).tolist()
        [[5, 2, 0], [4, 6, 2]]
    """
    batch = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, ids in zip(batch, rows, strict=True):
        row[: len(ids)] = ids
    return batch
