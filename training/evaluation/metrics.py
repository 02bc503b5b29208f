"""How well outputs agree with their references.

Every metric but chrF is computed from counts that are summed over sources, so a bootstrap resample
needs no text, only a sum of rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_attention.stored.bounds import MetricName

References = Sequence[str | None]


class Score(NamedTuple):
    """A score and the settings it was computed with.

    Attributes:
        score: The score, from 0 to 100.
        signature: sacreBLEU's signature of the settings.
    """

    score: float
    signature: str


def bleu(outputs: Sequence[str], *references: References, lowercase: bool = False) -> Score:
    """Return corpus BLEU.

    Args:
        outputs: Translations.
        references: One or more lists of reference translations, each as long as `outputs`; None for
            a source that has fewer references.
        lowercase: Whether to lower-case both sides.

    Reference: Papineni et al. 2002; Post 2018 (sacreBLEU).
    """
    from sacrebleu.metrics.bleu import BLEU

    return _scored(BLEU(lowercase=lowercase), outputs, references)


def chrf(outputs: Sequence[str], *references: References, lowercase: bool = False) -> Score:
    """Return corpus chrF; takes the same arguments as `bleu`.

    Reference: Popovic 2015.
    """
    from sacrebleu.metrics.chrf import CHRF

    return _scored(CHRF(lowercase=lowercase), outputs, references)


def _scored(metric: Any, outputs: Sequence[str], references: Sequence[References]) -> Score:
    score = metric.corpus_score(list(outputs), [list(side) for side in references]).score
    return Score(score, str(metric.get_signature()))


def columns(references: Sequence[Sequence[str]]) -> list[References]:
    """Turn references by source into the lists that sacreBLEU takes: all first ones, and so on."""
    most = max(len(known) for known in references)
    return [[known[i] if i < len(known) else None for known in references] for i in range(most)]


class Metric(ABC):
    """A metric of outputs against the references of their sources.

    Attributes:
        name: Its name, as in `data.metric`.
        is_error: Whether less is better.
    """

    name: MetricName
    is_error: bool = False

    @abstractmethod
    def __call__(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """Return the value.

        Args:
            outputs: The output for each source.
            references: The references of each source; an output may agree with any of them.
        """


class Counted(Metric):
    """A metric of counts that are summed over sources."""

    @abstractmethod
    def counts(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the counts (sources, N) of each source."""

    @abstractmethod
    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return the value (...) of summed counts (..., N)."""

    def __call__(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """Return the value."""
        return float(self.of(self.counts(outputs, references).sum(axis=0)))


class Bleu(Counted):
    """BLEU, from 0 to 100.

    The counts are the length of the output, the length of the reference, the number of matching
    n-grams and the number of n-grams in the output, both for n from 1 to 4.

    Args:
        lowercase: Whether to lower-case both sides.

    Reference: Papineni et al. 2002; Chen and Cherry 2014 (smoothing by method 3).
    """

    name: MetricName = "bleu"

    def __init__(self, lowercase: bool = False) -> None:
        self.lowercase = lowercase

    def counts(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """Return sacreBLEU's counts (sources, 10)."""
        from sacrebleu.metrics.bleu import BLEU

        metric = BLEU(lowercase=self.lowercase, effective_order=True)
        rows = []
        for output, known in zip(outputs, references, strict=True):
            score = metric.sentence_score(output, list(known))
            rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
        return np.array(rows, dtype="int64").reshape(len(rows), 10)

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return BLEU, with sacreBLEU's default smoothing."""
        from sacrebleu.metrics.bleu import BLEU

        scores = [
            BLEU.compute_bleu(row[2:6], row[6:], row[0], row[1], smooth_method="exp").score
            for row in counts.reshape(-1, 10).tolist()
        ]
        return np.array(scores).reshape(counts.shape[:-1])


class ChrF(Metric):
    """chrF, from 0 to 100; its counts are not summed here, so it has no confidence interval."""

    name: MetricName = "chrf"

    def __call__(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """Return corpus chrF."""
        return chrf(outputs, *columns(references)).score


class Rate(Counted):
    """A fraction of two counts, (sources, 2): the first per unit of the second."""

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return the rate."""
        return counts[..., 0] / np.maximum(counts[..., 1], 1)


class ExactMatch(Rate):
    """The fraction of outputs that equal a reference.

    The counts are 1 for an output that does, and 1 for the source.
    """

    name: MetricName = "exact_match"

    def counts(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the counts (sources, 2)."""
        right = [output in known for output, known in zip(outputs, references, strict=True)]
        return np.array([(is_right, 1) for is_right in right], dtype="int64").reshape(-1, 2)


class TokenErrorRate(Rate):
    """Edits per reference token: `(substitutions + deletions + insertions) / reference tokens`.

    Tokens are separated by white space: words, or phones. Of several references the one with the
    fewest edits counts, of two such the longer one. It is the word error rate in speech
    recognition, and the phone error rate where the tokens are phones. It exceeds 1 if there are
    more edits than tokens.

    The counts are the edits and the number of tokens of the reference.

    Reference: Levenshtein 1966; Morris, Maier and Green 2004.
    """

    name: MetricName = "token_error_rate"
    is_error = True

    def counts(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the counts (sources, 2)."""
        pairs = [
            (output.split(), reference.split())
            for output, known in zip(outputs, references, strict=True)
            for reference in known
        ]
        rows = zip(edits(pairs), (len(reference) for _, reference in pairs), strict=True)
        nearest = [
            min((next(rows) for _ in known), key=lambda row: (row[0], -row[1]))
            for known in references
        ]
        return np.array(nearest, dtype="int64").reshape(-1, 2)


def edits(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[int]:
    """Return for each pair how many tokens to substitute, delete or insert between its sides.

    Example:
        >>> edits([(["K", "AE", "T"], ["K", "AH", "T", "S"]), ([], ["A"])])
        [2, 1]
    """
    import tensorflow as tf

    if not pairs:
        return []
    ragged = (tf.RaggedTensor.from_row_lengths(*_flat(side)) for side in zip(*pairs, strict=True))
    outputs, references = (side.to_sparse() for side in ragged)
    found = tf.edit_distance(outputs, references, normalize=False)
    return [int(x) for x in found.numpy()]


def _flat(rows: Sequence[Sequence[str]]) -> tuple[Any, list[int]]:
    flat = [token for row in rows for token in row]
    return np.array(flat, dtype=object), [len(row) for row in rows]


COUNTED: dict[MetricName, Counted] = {
    metric.name: metric for metric in (Bleu(), ExactMatch(), TokenErrorRate())
}
METRICS: dict[MetricName, Metric] = {**COUNTED, "chrf": ChrF()}
OF_TRANSLATIONS: tuple[MetricName, ...] = ("bleu", "chrf")
"""The metrics of outputs that may be partly right; the others are of answers."""
