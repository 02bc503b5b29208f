"""Evaluate a dates model: exact match and alignment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from keras_attention import Translator
from training.dates.alignment import field_hits
from training.dates.generate import DateExample


@dataclass(frozen=True)
class DatesReport:
    """Results on held-out pairs.

    Attributes:
        pairs: The number of pairs.
        exact_match: The fraction of outputs that are entirely correct.
        exact_match_by_locale: The same for each locale.
        alignment: The fraction of output digits whose largest weight is on their field of the
            source (year, month or day) or a separator next to it; None without attention.
        wrong: Source, expected output and actual output of the first few errors.
    """

    pairs: int
    exact_match: float
    exact_match_by_locale: dict[str, float]
    alignment: float | None
    wrong: list[tuple[str, str, str]]

    def __str__(self) -> str:
        rows = [("pairs", f"{self.pairs:,}"), ("exact match", f"{self.exact_match:.2%}")]
        rows += [(f"  {name}", f"{x:.2%}") for name, x in self.exact_match_by_locale.items()]
        if self.alignment is not None:
            rows.append(("digits aligned with their field", f"{self.alignment:.2%}"))
        lines = [f"{name:<33}{value:>10}" for name, value in rows]
        lines += [
            f"wrong: {source!r} -> {got!r}, not {right!r}" for source, right, got in self.wrong
        ]
        return "\n".join(lines)


def evaluate_dates(translator: Translator, examples: Sequence[DateExample]) -> DatesReport:
    """Translate examples and compare the outputs.

    Args:
        translator: The translator to evaluate.
        examples: Held-out examples.
    """
    results = translator([example.source for example in examples])
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    hits = digits = 0
    wrong = []
    for example, result in zip(examples, results, strict=True):
        total[example.locale] += 1
        right[example.locale] += result.text == example.target
        if result.text != example.target:
            wrong.append((example.source, example.target, result.text))
        if result.attention is not None:
            counted = field_hits(example.fields, result.text, result.attention, example.order)
            hits, digits = hits + counted[0], digits + counted[1]
    return DatesReport(
        pairs=len(examples),
        exact_match=right.total() / total.total(),
        exact_match_by_locale={name: right[name] / total[name] for name in sorted(total)},
        alignment=hits / digits if digits else None,
        wrong=wrong[:10],
    )
