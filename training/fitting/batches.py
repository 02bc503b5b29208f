"""Plan the batches of a pass: similar lengths together, few shapes, a new order in each pass."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Lengths = tuple[int, int]
"""The number of source tokens and target tokens, including the end token."""


class Batch(NamedTuple):
    """One batch before its text is encoded.

    Attributes:
        pairs: The indices of the pairs.
        widths: The lengths that sources and targets are padded to.
    """

    pairs: list[int]
    widths: Lengths


@dataclass(frozen=True)
class Budget:
    """The maximum size of a batch, in pairs, in tokens or both.

    Attributes:
        pairs: The maximum number of pairs, or None.
        tokens: The maximum number of tokens on the longer side, including padding, or None. A pair
            that exceeds it gets a batch of its own.
        multiple: Widths are rounded up to a multiple of this. A larger value gives fewer shapes
            and more padding.
    """

    pairs: int | None = None
    tokens: int | None = None
    multiple: int = 4

    def holds(self, pairs: int, widths: Lengths) -> bool:
        """Return whether a batch of `pairs` pairs, padded to `widths`, fits the budget."""
        if self.tokens is not None and pairs * max(widths) > self.tokens:
            return pairs <= 1
        return self.pairs is None or pairs <= self.pairs

    def width(self, length: int) -> int:
        """Return the minimum padded length of a text with `length` tokens."""
        return -(-length // self.multiple) * self.multiple


def plan_pass(lengths: Sequence[Lengths], budget: Budget, seed: str) -> list[Batch]:
    """Return batches that contain every pair exactly once.

    Pairs are shuffled, sorted by padded target and source length, and cut into batches; then the
    batches are shuffled. The shapes depend on the lengths alone: every pass has the same ones, at
    most one per batch, and most of them occur many times.

    Args:
        lengths: The lengths of all pairs.
        budget: The maximum size of a batch.
        seed: The seed for both shuffles.
    """
    order = random.Random(seed)
    widths = [(budget.width(source), budget.width(target)) for source, target in lengths]
    chosen = list(range(len(lengths)))
    order.shuffle(chosen)
    chosen.sort(key=lambda i: _snake(*widths[i], budget.multiple))
    batches = list(_cut(chosen, widths, budget))
    order.shuffle(batches)
    return batches


def planned(
    pass_lengths: Callable[[int], Sequence[Lengths]],
    budget: Budget,
    seed: int,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[tuple[int, Batch]]:
    """Yield batches endlessly, each with the number of its pass.

    Args:
        pass_lengths: A function from the number of a pass to the lengths of its pairs.
        budget: The maximum size of a batch.
        seed: The seed for the order.
        shard: The index of this process and the number of processes. Every process gets the same
            number of batches from each pass; no batch goes to two processes.

    Raises:
        ValueError: If a pass has fewer batches than there are processes.
    """
    index, count = shard
    for number in itertools.count():
        batches = plan_pass(pass_lengths(number), budget, f"{seed}:{number}")
        usable = len(batches) - len(batches) % count
        if not usable:
            raise ValueError(f"{len(batches)} batches in a pass are too few for {count} processes")
        for batch in batches[index:usable:count]:
            yield number, batch


@dataclass(frozen=True)
class PassStatistics:
    """Statistics of one pass over the pairs; `str` gives a one-line summary.

    Attributes:
        pairs: The number of pairs.
        source_tokens, target_tokens: The number of tokens, including end tokens.
        batches: The number of batches.
        shapes: The number of distinct batch shapes.
        padding: The fraction of all positions that are padding.
    """

    pairs: int
    source_tokens: int
    target_tokens: int
    batches: int
    shapes: int
    padding: float

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} pairs, {self.source_tokens:,} source and {self.target_tokens:,} "
            f"target tokens, in {self.batches:,} batches of {self.shapes} shapes, "
            f"{self.padding:.1%} padding"
        )


def statistics(lengths: Sequence[Lengths], budget: Budget, seed: int = 0) -> PassStatistics:
    """Return the statistics of the first pass."""
    batches = plan_pass(lengths, budget, f"{seed}:0")
    places = sum(len(batch.pairs) * sum(batch.widths) for batch in batches)
    source, target = (sum(pair[side] for pair in lengths) for side in (0, 1))
    return PassStatistics(
        pairs=len(lengths),
        source_tokens=source,
        target_tokens=target,
        batches=len(batches),
        shapes=len({(len(batch.pairs), batch.widths) for batch in batches}),
        padding=1 - (source + target) / places,
    )


def _cut(chosen: Sequence[int], widths: Sequence[Lengths], budget: Budget) -> Iterator[Batch]:
    """Cut the sorted pairs into batches, each as large as the budget allows."""
    batch = Batch([], (0, 0))
    for i in chosen:
        source, target = widths[i]
        grown = max(batch.widths[0], source), max(batch.widths[1], target)
        if batch.pairs and not budget.holds(len(batch.pairs) + 1, grown):
            yield batch
            batch, grown = Batch([], (0, 0)), (source, target)
        batch = Batch([*batch.pairs, i], grown)
    yield batch


def _snake(source: int, target: int, multiple: int) -> Lengths:
    """Return a sort key: by target, then by source alternately up and down.

    Neighbors then always have similar lengths.
    """
    return target, source if (target // multiple) % 2 else -source
