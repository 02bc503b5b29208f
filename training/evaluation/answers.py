"""Report outputs that are right or wrong as a whole: phones of a word, fields of a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keras_attention.model.generation import Search
from keras_attention.text import Translation
from training.evaluation.bootstrap import Interval, resample
from training.evaluation.metrics import Counted, ExactMatch, TokenErrorRate

_RESAMPLES = 1000
_SHOWN = 10


@dataclass(frozen=True)
class AnswersReport:
    """Results on held-out pairs.

    Attributes:
        search: The search.
        pairs: The number of pairs.
        sources: The number of distinct sources; a source with several pairs has several references.
        wrong: The number of outputs that equal none of their references.
        sequence_error_rate: Wrong outputs per source.
        edits: The number of edits from outputs to their nearest references.
        tokens: The number of tokens of these references.
        token_error_rate: Edits per token.
        complete: The fraction of outputs that ended before the maximum length.
        examples: Source, references and output of the first few wrong outputs.
    """

    search: str
    pairs: int
    sources: int
    wrong: int
    sequence_error_rate: Interval
    edits: int
    tokens: int
    token_error_rate: Interval
    complete: float
    examples: list[tuple[str, list[str], str]]

    def __str__(self) -> str:
        rows = [
            ("search", self.search, ""),
            ("pairs", f"{self.pairs:,}", ""),
            ("sources", f"{self.sources:,}", "several pairs with one source are its references"),
            ("complete", f"{self.complete:.2%}", "of the outputs end before the maximum length"),
            (
                "sequence error rate",
                f"{self.sequence_error_rate:.2%}",
                f"{self.wrong:,} of {self.sources:,} outputs equal no reference "
                "(text to phonemes: the word error rate)",
            ),
            (
                "token error rate",
                f"{self.token_error_rate:.2%}",
                f"{self.edits:,} edits of {self.tokens:,} reference tokens "
                "(there: the phone error rate)",
            ),
        ]
        lines = [f"{name:<21}{value:<26}{what}".rstrip() for name, value, what in rows]
        lines += [
            f"wrong: {source!r} -> {got!r}, not {' or '.join(map(repr, known))}"
            for source, known, got in self.examples
        ]
        return "\n".join(lines)


def report_answers(
    targets: Mapping[str, Sequence[str]], results: Sequence[Translation], search: Search
) -> AnswersReport:
    """Compare outputs with their references.

    Args:
        targets: The references of each source.
        results: The output for each source, in the same order.
        search: The search that found them.
    """
    outputs, references = [result.text for result in results], list(targets.values())
    _, right = _measured(ExactMatch(), outputs, references)
    edits, token_error_rate = _measured(TokenErrorRate(), outputs, references)
    sources = len(references)
    examples = [
        (source, list(known), output)
        for (source, known), output in zip(targets.items(), outputs, strict=True)
        if output not in known
    ]
    return AnswersReport(
        search=str(search),
        pairs=sum(map(len, references)),
        sources=sources,
        wrong=len(examples),
        sequence_error_rate=Interval(1 - right.value, 1 - right.high, 1 - right.low),
        edits=int(edits[0]),
        tokens=int(edits[1]),
        token_error_rate=token_error_rate,
        complete=sum(result.is_complete for result in results) / sources,
        examples=examples[:_SHOWN],
    )


def _measured(
    metric: Counted, outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[np.ndarray, Interval]:
    """Return the summed counts, and the value with its interval."""
    counts = metric.counts(outputs, references)
    summed = counts.sum(axis=0)
    drawn = resample(metric, counts, _RESAMPLES, np.random.default_rng(1))
    return summed, Interval.of(float(metric.of(summed)), drawn)
