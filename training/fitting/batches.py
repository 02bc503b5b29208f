"""Plan the batches of a pass: similar lengths together, few shapes, a new order in each pass."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from training.fitting.budget import Budget, Shape
from training.shards.parts import Lengths, Part, Passes


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
    passes: Passes, budget: Budget, seed: int, first: int = 0
) -> Iterator[tuple[Part, Batch]]:
    """Yield batches endlessly, each with the part of a pass that it belongs to.

    Args:
        passes: The parts of each pass.
        budget: The maximum size of a batch.
        seed: The seed for the order.
        first: The number of batches to leave out.
    """
    sizes: WeakKeyDictionary[Part, int] = WeakKeyDictionary()  # whatever the order of the pairs
    for number in itertools.count():
        for place, part in enumerate(passes.parts(number)):
            size = sizes.get(part)
            if size is None or first < size:
                plan = plan_pass(part.lengths(), budget, _seed(seed, number, place))
                size = sizes[part] = len(plan)
                for batch in plan[first:]:
                    yield part, batch
            first = max(0, first - size)


def _seed(seed: int, number: int, place: int) -> str:
    return f"{seed}:{number}:{place}" if place else f"{seed}:{number}"


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


def statistics(passes: Passes, budget: Budget, seed: int = 0) -> PassStatistics:
    """Return the statistics of the first pass."""
    lengths: Counter[Lengths] = Counter()
    shapes: Counter[Shape] = Counter()
    for place, part in enumerate(passes.parts(0)):
        of_part = part.lengths()
        lengths.update(of_part)
        shapes.update(batch.shape for batch in plan_pass(of_part, budget, _seed(seed, 0, place)))
    source, target = (sum(n * pair[side] for pair, n in lengths.items()) for side in (0, 1))
    return PassStatistics(
        pairs=lengths.total(),
        source_tokens=source,
        target_tokens=target,
        batches=shapes.total(),
        shapes=len(shapes),
        positions=sum(n * shape.rows * sum(shape.widths) for shape, n in shapes.items()),
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
    smallest = {
        pair: next((shape for shape in shapes if _fits(pair, shape.widths)), None)
        for pair in set(lengths)
    }
    for i in chosen:
        shape = smallest[lengths[i]]
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
