"""Confidence intervals of BLEU, by paired bootstrap resampling of sentences.

Corpus BLEU is computed from sums over sentences: lengths, n-grams and matching n-grams. A resample
therefore needs no text, only a sum of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def bleu_statistics(
    outputs: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool = False
) -> np.ndarray:
    """Return sacreBLEU's counts for each sentence: (sentences, 10).

    The columns are the length of the output, the length of the reference, the number of matching
    n-grams and the number of n-grams in the output, both for n from 1 to 4.

    Args:
        outputs: Translations.
        references: The references of each translation.
        lowercase: Whether to lower-case both sides.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(lowercase=lowercase, effective_order=True)
    rows = []
    for output, known in zip(outputs, references, strict=True):
        score = metric.sentence_score(output, list(known))
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, dtype="int64").reshape(len(rows), 10)


def bleu_of(statistics: np.ndarray) -> np.ndarray:
    """Return BLEU, with sacreBLEU's default smoothing, of summed statistics (..., 10): (...).

    Reference: Papineni et al. 2002; Chen and Cherry 2014 (method 3).
    """
    from sacrebleu.metrics.bleu import BLEU

    flat = statistics.reshape(-1, 10).tolist()
    scores = [
        BLEU.compute_bleu(row[2:6], row[6:], row[0], row[1], smooth_method="exp").score
        for row in flat
    ]
    return np.array(scores).reshape(statistics.shape[:-1])


def resampled_bleu(
    statistics: np.ndarray, resamples: int, random: np.random.Generator
) -> np.ndarray:
    """Return BLEU on sentences drawn with replacement: (resamples, systems).

    All systems are scored on the same resamples, so differences are paired.

    Args:
        statistics: The statistics of several systems on the same sentences, (systems, sentences,
            10).
        resamples: The number of resamples, each as large as the original.
        random: The random generator.

    Reference: Koehn 2004.
    """
    sentences = statistics.shape[1]
    times = random.multinomial(sentences, np.full(sentences, 1.0 / sentences), size=resamples)
    return bleu_of(np.tensordot(times, statistics, axes=(1, 1)))
