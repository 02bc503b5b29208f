"""Confidence intervals, by paired bootstrap resampling of sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.evaluation.metrics import Counted


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval.

    Attributes:
        value: The value on all sentences.
        low: The 2.5th percentile of the resamples.
        high: The 97.5th percentile.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: np.ndarray) -> Interval:
        """Return the interval of a value, given its value on each resample."""
        low, high = (float(x) for x in np.percentile(resampled, [2.5, 97.5]))
        return cls(float(value), low, high)

    def __str__(self) -> str:
        return format(self)

    def __format__(self, spec: str) -> str:
        value, low, high = (format(x, spec or ".1f") for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def resample(
    metric: Counted, counts: np.ndarray, resamples: int, random: np.random.Generator
) -> np.ndarray:
    """Return a metric on sources drawn with replacement: (resamples, ...).

    All systems are scored on the same resamples, so differences are paired.

    Args:
        metric: The metric.
        counts: The counts of systems on the same sources, (..., sources, N).
        resamples: The number of resamples, each as large as the original.
        random: The random generator.

    Reference: Koehn 2004.
    """
    sources = counts.shape[-2]
    times = random.multinomial(sources, np.full(sources, 1.0 / sources), size=resamples)
    return metric.of(np.tensordot(times, counts, axes=(1, -2)))
