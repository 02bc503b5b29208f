"""The size and the shapes of batches."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.shards.parts import Lengths


class Shape(NamedTuple):
    """The shape of a batch.

    Attributes:
        rows: The number of rows.
        widths: The lengths that sources and targets are padded to.
    """

    rows: int
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

    def with_shapes(self, lengths: Counter[Lengths], count: int) -> Budget:
        """Return the same budget with at most `count` shapes, chosen for these lengths.

        Their widths are those that need the fewest positions, found greedily: beginning with the
        widest alone, those that save most are added one by one; then each is exchanged for others
        as long as that saves something.

        Args:
            lengths: How many pairs have which lengths.
            count: The maximum number of shapes.
        """
        rounded = np.array([[self.width(length) for length in pair] for pair in lengths])
        sides = [_candidates(rounded[:, side]) for side in (0, 1)]
        choices = np.array(list(itertools.product(*sides)))
        places = [np.searchsorted(side, rounded[:, i]) for i, side in enumerate(sides)]
        cells, of = np.unique(places[0] * len(sides[1]) + places[1], return_inverse=True)
        pairs = np.bincount(of, list(lengths.values()))
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
        shapes = tuple(Shape(self.rows(widths, lengths.total()), widths) for widths in found)
        return dataclasses.replace(self, shapes=shapes)


_MOST_WIDTHS = 48  # to choose from, on each side


def _candidates(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the different lengths; of many, some that are evenly spread, with the largest."""
    different = np.unique(lengths)
    count = min(len(different), _MOST_WIDTHS)
    return different[np.linspace(len(different) - 1, 0, count).round().astype(int)[::-1]]
