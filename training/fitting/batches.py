"""Which pairs make a batch: similar lengths together, few shapes, a new order in each pass."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Lengths = tuple[int, int]
"""Tokens of a source and of its target, the end token counted."""


class Batch(NamedTuple):
    """One batch before its text is encoded.

    Attributes:
        pairs: Which pairs, by their place.
        widths: To how many tokens sources and targets are padded.
    """

    pairs: list[int]
    widths: Lengths


@dataclass(frozen=True)
class Budget:
    """How large a batch may be: so many pairs, and so many tokens.

    Attributes:
        pairs: The most pairs, or None.
        tokens: The most tokens of the longer side, padding counted, or None. A pair that is longer
            is a batch of its own.
        multiple: What widths are multiples of: larger ones make fewer shapes and more padding.
    """

    pairs: int | None = None
    tokens: int | None = None
    multiple: int = 4

    def holds(self, pairs: int, widths: Lengths) -> bool:
        """Whether a batch of that many pairs, padded to `widths`, is within the budget."""
        if self.tokens is not None and pairs * max(widths) > self.tokens:
            return pairs <= 1
        return self.pairs is None or pairs <= self.pairs

    def width(self, length: int) -> int:
        """To how many tokens a text of that length is padded at least."""
        return -(-length // self.multiple) * self.multiple


def plan_pass(lengths: Sequence[Lengths], budget: Budget, seed: str) -> list[Batch]:
    """Batches that hold every pair exactly once.

    Pairs are ordered by the widths of target and source, with those of equal widths shuffled, and
    cut into batches; then the batches are shuffled. Which shapes there are follows from the lengths
    alone: they are the same in every pass, at most one for each batch, and most of them many times.

    Args:
        lengths: Of all pairs.
        budget: The size of a batch.
        seed: Seed of both orders.
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
    """Batches without end: the number of the pass, and a batch of it.

    Args:
        pass_lengths: The lengths of the pairs of a pass, by its number.
        budget: The size of a batch.
        seed: Seed of the order.
        shard: A process's number and how many processes there are. Each takes its share of the
            batches of a pass, all of them equally many; no two processes share a batch.
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
    """What a pass over the pairs costs; printed as a line.

    Attributes:
        pairs: How many pairs.
        source_tokens, target_tokens: How many tokens, the end tokens counted.
        batches: How many batches.
        shapes: How many shapes the batches have.
        padding: Fraction of the places of all batches that are padding.
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
    """The statistics of a pass."""
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
    """Runs of neighbors, each as long as the budget allows."""
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
    """By target; then by source, up and down in turns, so that neighbors are always similar."""
    return target, source if (target // multiple) % 2 else -source
