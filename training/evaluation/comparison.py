"""Compare several models on the same sentences, by source length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.bootstrap import Interval, resample
from training.evaluation.lengths import Bucket, length_buckets
from training.evaluation.metrics import Bleu, bleu, columns


@dataclass(frozen=True)
class ComparisonRow:
    """The scores of all models on sources of similar length.

    Attributes:
        words: The range of source lengths in words, such as "8-11".
        shortest: The minimum number of words.
        longest: The maximum number of words.
        sources: The number of sources.
        bleu: BLEU of each model.
        differences: BLEU of the first model minus that of each other model, on the same resamples.
    """

    words: str
    shortest: int
    longest: int
    sources: int
    bleu: list[Interval]
    differences: list[Interval]


@dataclass(frozen=True)
class Comparison:
    """The results of `compare`; `str` gives a table.

    Attributes:
        names: The names of the models.
        signature: sacreBLEU's signature of the settings.
        resamples: The number of bootstrap resamples.
        whole: The scores on all sources.
        rows: The scores by length, the shortest first.
        thirds: The scores on thirds of the sources by length; fewer if there are too few lengths.
        growth: For each model except the first, the difference on the longest third minus that on
            the shortest; empty if there is only one third.
    """

    names: list[str]
    signature: str
    resamples: int
    whole: ComparisonRow
    rows: list[ComparisonRow]
    thirds: list[ComparisonRow]
    growth: list[Interval]

    def __str__(self) -> str:
        differences = [f"{self.names[0]} - {name}" for name in self.names[1:]]
        head = ["words", "sources", *self.names, *differences]
        groups = [[_cells(row) for row in rows] for rows in (self.rows, self.thirds, [self.whole])]
        every = [head, *(cells for group in groups for cells in group)]
        widths = [max(map(len, column)) for column in zip(*every, strict=True)]

        def line(cells: Sequence[str]) -> str:
            return "  ".join(f"{x:>{w}}" for x, w in zip(cells, widths, strict=True))

        table = [line(head)]
        for group in groups:
            table += [*map(line, group), ""]
        settings = f"BLEU {self.signature}; 95 % intervals of {self.resamples:,} paired resamples"
        return "\n".join([*table, settings, *self.verdicts()])

    def verdicts(self) -> list[str]:
        """Say whether the difference is larger on the longest third than on the shortest."""
        if not self.growth:
            return ["The lengths of the sources are too similar to show an effect of length."]
        lines = []
        for name, growth in zip(self.names[1:], self.growth, strict=True):
            what = f"{self.names[0]} - {name}: the difference on the longest third"
            if growth.low > 0:
                found = "is larger than on the shortest"
            elif growth.high < 0:
                found = "is smaller than on the shortest"
            else:
                found = "may be as large as on the shortest"
            lines.append(f"{what} {found}: by {growth} BLEU")
        return lines


def _cells(row: ComparisonRow) -> list[str]:
    return [row.words, f"{row.sources:,}", *(str(x) for x in [*row.bleu, *row.differences])]


def compare(
    names: Sequence[str],
    outputs: Sequence[Sequence[str]],
    targets: Mapping[str, Sequence[str]],
    *,
    buckets: int = 6,
    lowercase: bool = False,
    resamples: int = 1000,
    seed: int = 1,
) -> Comparison:
    """Compare models by source length.

    Args:
        names: The models.
        outputs: The translations of each model, in the order of the sources.
        targets: The references of each source.
        buckets: The maximum number of length buckets.
        lowercase: Whether to lower-case outputs and references.
        resamples: The number of bootstrap resamples.
        seed: The seed of the resamples.
    """
    sources, references = list(targets), list(targets.values())
    metric = Bleu(lowercase)
    counts = np.stack([metric.counts(texts, references) for texts in outputs])

    def measured(bucket: Bucket) -> tuple[ComparisonRow, np.ndarray]:
        some = counts[:, bucket.places]
        random = np.random.default_rng([seed, bucket.shortest, bucket.longest])
        return _row(bucket, metric, some, resample(metric, some, resamples, random))

    thirds = [measured(bucket) for bucket in length_buckets(sources, 3)]
    return Comparison(
        names=list(names),
        signature=bleu(outputs[0], *columns(references), lowercase=lowercase).signature,
        resamples=resamples,
        whole=measured(length_buckets(sources, 1)[0])[0],
        rows=[measured(bucket)[0] for bucket in length_buckets(sources, buckets)],
        thirds=[row for row, _ in thirds],
        growth=_growth(*thirds[0], *thirds[-1]) if len(thirds) > 1 else [],
    )


def _row(
    bucket: Bucket, metric: Bleu, counts: np.ndarray, resampled: np.ndarray
) -> tuple[ComparisonRow, np.ndarray]:
    """Return a row, and the differences of its resamples (resamples, systems - 1)."""
    values = metric.of(counts.sum(axis=1))
    differences, resampled_differences = values[0] - values[1:], resampled[:, :1] - resampled[:, 1:]
    row = ComparisonRow(
        words=bucket.name,
        shortest=bucket.shortest,
        longest=bucket.longest,
        sources=len(bucket.places),
        bleu=[Interval.of(*x) for x in zip(values, resampled.T, strict=True)],
        differences=[
            Interval.of(*x) for x in zip(differences, resampled_differences.T, strict=True)
        ],
    )
    return row, resampled_differences


def _growth(
    short: ComparisonRow,
    short_resampled: np.ndarray,
    long: ComparisonRow,
    long_resampled: np.ndarray,
) -> list[Interval]:
    """Return differences on long sources minus those on short ones, resampled independently."""
    rows = zip(
        long.differences, short.differences, (long_resampled - short_resampled).T, strict=True
    )
    return [Interval.of(a.value - b.value, resampled) for a, b, resampled in rows]
