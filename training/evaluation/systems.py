"""Compare systems, each trained with one or several seeds, on the same sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.bootstrap import Interval, resample
from training.evaluation.metrics import Counted

Outputs = Sequence[str]


@dataclass(frozen=True)
class SystemRow:
    """A system, and how it differs from the first one.

    Attributes:
        name: The name of the system.
        value: The mean of its seeds.
        seeds: The value of each seed.
        gain: The value minus that of the first system, on the same resamples; for an error rate the
            other way round, so that more is better. None for the first system.
    """

    name: str
    value: Interval
    seeds: list[float]
    gain: Interval | None

    @property
    def verdict(self) -> str:
        """Whether the system is better than the first; no difference if the interval holds 0."""
        if self.gain is None:
            return ""
        return "better" if self.gain.low > 0 else "worse" if self.gain.high < 0 else "no difference"


@dataclass(frozen=True)
class SystemComparison:
    """Systems by one metric; `str` gives a table.

    Attributes:
        metric: The name of the metric.
        sources: The number of sources.
        resamples: The number of bootstrap resamples.
        rows: The systems, in the order they were named.
    """

    metric: str
    sources: int
    resamples: int
    rows: list[SystemRow]

    def __str__(self) -> str:
        spec = ".2f" if self.metric == "bleu" else ".2%"
        cells = [(self.metric, "", "seeds", "gain", "")]
        for row in self.rows:
            seeds = ", ".join(format(value, spec) for value in row.seeds)
            gain = "" if row.gain is None else format(row.gain, spec)
            cells.append((row.name, format(row.value, spec), seeds, gain, row.verdict))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(f"{x:<{w}}" for x, w in zip(row, widths, strict=True)) for row in cells]
        head = f"{self.sources:,} sources; 95 % intervals of {self.resamples:,} paired resamples"
        return "\n".join([head, *(line.rstrip() for line in lines)])


def compare_systems(
    metric: Counted,
    systems: Mapping[str, Sequence[Outputs]],
    references: Sequence[Sequence[str]],
    resamples: int = 1000,
    seed: int = 1,
) -> SystemComparison:
    """Compare systems with the first one.

    Every resample takes the same sources of all systems and seeds; the seeds of a system are
    averaged in it. The intervals therefore say how other sources would change the result, given
    these trainings.

    Args:
        metric: The metric.
        systems: The outputs of each system, one list for each of its seeds.
        references: The references of each source.
        resamples: The number of bootstrap resamples.
        seed: The seed of the resamples.

    Reference: Koehn 2004.
    """
    rows: list[SystemRow] = []
    first: tuple[float, np.ndarray] | None = None
    sign = -1.0 if metric.is_error else 1.0
    for name, outputs in systems.items():
        counts = np.stack([metric.counts(texts, references) for texts in outputs])
        values = metric.of(counts.sum(axis=1))
        drawn = resample(metric, counts, resamples, np.random.default_rng(seed)).mean(axis=1)
        mean = float(values.mean())
        gain = None
        if first is not None:
            gained = sign * np.round(drawn - first[1], 12)  # no difference is none, not 1e-16
            gain = Interval.of(sign * (mean - first[0]), gained)
        first = first or (mean, drawn)
        rows.append(SystemRow(name, Interval.of(mean, drawn), values.tolist(), gain))
    return SystemComparison(metric.name, len(references), resamples, rows)
