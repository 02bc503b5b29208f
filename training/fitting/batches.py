"""Plan the batches of a pass: similar lengths together, few shapes, a new order in each pass."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Lengths = tuple[int, int]
"""The number of source tokens and target tokens, including the end token."""


class Shape(NamedTuple):
    """The shape of a batch.

    Attributes:
        rows: The number of rows.
        widths: The lengths that sources and targets are padded to.
    """

    rows: int
    widths: Lengths


class Batch(NamedTuple):
    """One batch before its text is encoded.

    Attributes:
        pairs: The indices of the pairs.
        shape: The shape; rows beyond the pairs are padding.
    """

    pairs: list[int]
    shape: Shape


@dataclass(frozen=True)
class Share:
    """The rows of each batch that one of several processes reads.

    All processes read equally many, so that the last ones may read rows of padding alone.

    Attributes:
        index: The number of the process, from 0.
        processes: The number of processes.
        devices: The number of devices that share the rows of a process evenly.
    """

    index: int = 0
    processes: int = 1
    devices: int = 1

    def of(self, batch: Batch) -> Batch:
        """Return the part of a batch that this process reads."""
        rows = -(-batch.shape.rows // (self.processes * self.devices)) * self.devices
        begin = self.index * rows
        return Batch(batch.pairs[begin : begin + rows], batch.shape._replace(rows=rows))


WHOLE = Share()
"""All rows, read by one process with one device."""


@dataclass(frozen=True)
class Budget:
    """The maximum size of a batch, in pairs, in tokens or both.

    Attributes:
        pairs: The maximum number of pairs, or None.
        tokens: The maximum number of tokens on the longer side, including padding, or None. A pair
            that exceeds it gets a batch of its own.
        multiple: Widths are rounded up to a multiple of this. A larger value gives fewer shapes
            and more padding.
        shapes: The shapes of all batches, from small to large; see `with_shapes`. If empty, a
            batch has the shape that its pairs need.
    """

    pairs: int | None = None
    tokens: int | None = None
    multiple: int = 4
    shapes: tuple[Shape, ...] = ()

    def holds(self, pairs: int, widths: Lengths) -> bool:
        """Return whether a batch of `pairs` pairs, padded to `widths`, fits the budget."""
        if self.tokens is not None and pairs * max(widths) > self.tokens:
            return pairs <= 1
        return self.pairs is None or pairs <= self.pairs

    def width(self, length: int) -> int:
        """Return the minimum padded length of a text with `length` tokens."""
        return -(-length // self.multiple) * self.multiple

    def rows(self, widths: Lengths, most: int) -> int:
        """Return the number of pairs, at most `most`, that fill a batch of these widths."""
        limits = [most]
        if self.pairs is not None:
            limits.append(self.pairs)
        if self.tokens is not None:
            limits.append(max(1, self.tokens // max(widths)))
        return min(limits)

    def with_shapes(self, lengths: Sequence[Lengths], count: int) -> Budget:
        """Return the same budget with at most `count` shapes, chosen for these lengths.

        Their widths are those that need the fewest positions, found greedily: beginning with the
        widest alone, those that save most are added one by one; then each is exchanged for others
        as long as that saves something.
        """
        rounded = np.array([[self.width(length) for length in pair] for pair in lengths])
        sides = [_candidates(rounded[:, side]) for side in (0, 1)]
        choices = np.array(list(itertools.product(*sides)))
        places = [np.searchsorted(side, rounded[:, i]) for i, side in enumerate(sides)]
        cells, pairs = np.unique(places[0] * len(sides[1]) + places[1], return_counts=True)
        fits = (choices[cells, None] <= choices).all(axis=2)
        positions = np.where(fits, choices.sum(axis=1), np.inf)

        def needed(chosen: list[int]) -> float:
            return float(pairs @ positions[:, chosen].min(axis=1))

        def with_the_best(chosen: list[int]) -> list[int]:
            now = positions[:, chosen].min(axis=1, keepdims=True)
            return [*chosen, int((pairs @ np.maximum(now - positions, 0.0)).argmax())]

        chosen = [len(choices) - 1]
        while len(chosen) < count and needed(more := with_the_best(chosen)) < needed(chosen):
            chosen = more
        is_better = True
        while is_better:
            is_better = False
            for one in chosen[1:]:
                others = with_the_best([other for other in chosen if other != one])
                if needed(others) < needed(chosen):
                    chosen, is_better = others, True
        found = sorted((tuple(choices[i].tolist()) for i in chosen), key=lambda w: (sum(w), w))
        shapes = tuple(Shape(self.rows(widths, len(lengths)), widths) for widths in found)
        return dataclasses.replace(self, shapes=shapes)


def plan_pass(lengths: Sequence[Lengths], budget: Budget, seed: str) -> list[Batch]:
    """Return batches that contain every pair exactly once.

    Pairs are shuffled, sorted by padded target and source length, and cut into batches, or dealt
    out to the budget's shapes; then the batches are shuffled. The shapes depend on the lengths
    alone: every pass over the same pairs has the same ones.

    Args:
        lengths: The lengths of all pairs.
        budget: The maximum size of a batch.
        seed: The seed for both shuffles.
    """
    order = random.Random(seed)
    chosen = list(range(len(lengths)))
    order.shuffle(chosen)
    batches = list((_deal if budget.shapes else _cut)(chosen, lengths, budget))
    order.shuffle(batches)
    return batches


def planned(
    pass_lengths: Callable[[int], Sequence[Lengths]], budget: Budget, seed: int
) -> Iterator[tuple[int, Batch]]:
    """Yield batches endlessly, each with the number of its pass.

    Args:
        pass_lengths: A function from the number of a pass to the lengths of its pairs.
        budget: The maximum size of a batch.
        seed: The seed for the order.
    """
    for number in itertools.count():
        for batch in plan_pass(pass_lengths(number), budget, f"{seed}:{number}"):
            yield number, batch


@dataclass(frozen=True)
class PassStatistics:
    """Statistics of one pass over the pairs; `str` gives a one-line summary.

    Attributes:
        pairs: The number of pairs.
        source_tokens, target_tokens: The number of tokens, including end tokens.
        batches: The number of batches.
        shapes: The number of distinct batch shapes.
        positions: The number of positions on both sides of all batches, including padding.
    """

    pairs: int
    source_tokens: int
    target_tokens: int
    batches: int
    shapes: int
    positions: int

    @property
    def padding(self) -> float:
        """The fraction of all positions that are padding."""
        return 1 - (self.source_tokens + self.target_tokens) / self.positions

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} pairs, {self.source_tokens:,} source and {self.target_tokens:,} "
            f"target tokens, in {self.batches:,} batches of {self.shapes} shapes, "
            f"{self.padding:.1%} padding"
        )


def statistics(lengths: Sequence[Lengths], budget: Budget, seed: int = 0) -> PassStatistics:
    """Return the statistics of the first pass."""
    batches = plan_pass(lengths, budget, f"{seed}:0")
    source, target = (sum(pair[side] for pair in lengths) for side in (0, 1))
    return PassStatistics(
        pairs=len(lengths),
        source_tokens=source,
        target_tokens=target,
        batches=len(batches),
        shapes=len({batch.shape for batch in batches}),
        positions=sum(batch.shape.rows * sum(batch.shape.widths) for batch in batches),
    )


def _cut(chosen: Sequence[int], lengths: Sequence[Lengths], budget: Budget) -> Iterator[Batch]:
    """Sort pairs and cut them into batches, each as large as the budget allows."""
    padded = [(budget.width(source), budget.width(target)) for source, target in lengths]
    pairs: list[int] = []
    widths = (0, 0)
    for i in sorted(chosen, key=lambda i: _snake(*padded[i], budget.multiple)):
        grown = _covering(widths, padded[i])
        if pairs and not budget.holds(len(pairs) + 1, grown):
            yield Batch(pairs, Shape(len(pairs), widths))
            pairs, grown = [], padded[i]
        pairs, widths = [*pairs, i], grown
    yield Batch(pairs, Shape(len(pairs), widths))


def _snake(source: int, target: int, multiple: int) -> Lengths:
    """Return a sort key: by target, then by source alternately up and down.

    Neighbors then always have similar lengths.
    """
    return target, source if (target // multiple) % 2 else -source


def _deal(chosen: Sequence[int], lengths: Sequence[Lengths], budget: Budget) -> Iterator[Batch]:
    """Deal pairs out to the budget's shapes.

    Each pair takes the smallest shape that it fits. What does not fill a batch goes on to the next
    shape that is larger on both sides; only what is left in the largest is filled up with padding.
    Pairs that are longer than all shapes, which a later pass may have, are cut as without shapes.
    """
    shapes = budget.shapes
    waiting: dict[Shape, list[int]] = {shape: [] for shape in shapes}
    longer: list[int] = []
    for i in chosen:
        shape = next((shape for shape in shapes if _fits(lengths[i], shape.widths)), None)
        (longer if shape is None else waiting[shape]).append(i)
    for place, shape in enumerate(shapes):
        pairs = waiting[shape]
        full = len(pairs) - len(pairs) % shape.rows
        for begin in range(0, full, shape.rows):
            yield Batch(pairs[begin : begin + shape.rows], shape)
        rest = pairs[full:]
        if rest:
            larger = (next_ for next_ in shapes[place + 1 :] if _fits(shape.widths, next_.widths))
            following = next(larger, None)
            if following is None:
                yield Batch(rest, shape)
            else:
                waiting[following] += rest
    if longer:
        yield from _cut(longer, lengths, budget)


def _fits(lengths: Lengths, widths: Lengths) -> bool:
    return lengths[0] <= widths[0] and lengths[1] <= widths[1]


def _covering(one: Lengths, other: Lengths) -> Lengths:
    return max(one[0], other[0]), max(one[1], other[1])


_MOST_WIDTHS = 48  # to choose from, on each side


def _candidates(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the different lengths; of many, some that are evenly spread, with the largest."""
    different = np.unique(lengths)
    count = min(len(different), _MOST_WIDTHS)
    return different[np.linspace(len(different) - 1, 0, count).round().astype(int)[::-1]]
