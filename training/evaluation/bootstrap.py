"""How sure a BLEU score is: paired bootstrap resampling of sentences.

BLEU of a corpus follows from sums over its sentences: lengths, n-grams, and n-grams that match. A
resample therefore needs no text, only a sum of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A number and where it lies with a probability of 95 %.

    Attributes:
        value: The number, measured on all sentences.
        low: The 2.5th percentile of the resamples.
        high: The 97.5th percentile.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: np.ndarray) -> Interval:
        """The interval of a number, given the number in each resample."""
        low, high = (float(x) for x in np.percentile(resampled, [2.5, 97.5]))
        return cls(float(value), low, high)

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def bleu_statistics(
    outputs: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool = False
) -> np.ndarray:
    """What sacreBLEU counts in each sentence: (sentences, 10).

    The columns are the length of the output, the length of the reference, the n-grams that match
    and all n-grams of the output, for n from 1 to 4.

    Args:
        outputs: Translations.
        references: The references of each.
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
    """BLEU, with sacreBLEU's default smoothing, of summed statistics (..., 10): (...).

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
    """BLEU of samples of the sentences, drawn with replacement: (resamples, systems).

    Every system is measured on the same samples, so differences are paired.

    Args:
        statistics: Of several systems on the same sentences, (systems, sentences, 10).
        resamples: How many samples, each as large as the whole.
        random: Draws them.

    Reference: Koehn 2004.
    """
    sentences = statistics.shape[1]
    times = random.multinomial(sentences, np.full(sentences, 1.0 / sentences), size=resamples)
    return bleu_of(np.tensordot(times, statistics, axes=(1, 1)))
