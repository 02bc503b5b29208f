"""How good translations are, by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras_attention import Translator
from training.corpora import Pair

References = Sequence[str | None]


class Score(NamedTuple):
    """A score and what exactly was computed.

    Attributes:
        score: From 0 to 100.
        signature: sacreBLEU's signature of the settings.
    """

    score: float
    signature: str


@dataclass(frozen=True)
class TranslationReport:
    """Results on held-out pairs.

    Attributes:
        pairs: How many sources; one that occurs several times has several references.
        bleu: BLEU, as it is written.
        bleu_lowercase: BLEU of lower-cased text.
        chrf: chrF.
        complete: Fraction of the outputs that ended before the maximum length.
    """

    pairs: int
    bleu: Score
    bleu_lowercase: Score
    chrf: Score
    complete: float

    def __str__(self) -> str:
        rows = [
            ("BLEU", self.bleu),
            ("BLEU, lower-cased", self.bleu_lowercase),
            ("chrF", self.chrf),
        ]
        lines = [f"{name:<20}{score:>8.2f}   {signature}" for name, (score, signature) in rows]
        counts = [f"{'sources':<20}{self.pairs:>8,}", f"{'complete':<20}{self.complete:>8.2%}"]
        return "\n".join([*counts, *lines])


def bleu(outputs: Sequence[str], *references: References, lowercase: bool = False) -> Score:
    """Corpus BLEU.

    Args:
        outputs: Translations.
        references: One or several lists of reference translations, as long as `outputs`; None where
            a source has fewer.
        lowercase: Whether to lower-case both sides.

    Reference: Papineni et al. 2002; Post 2018 (sacreBLEU).
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(lowercase=lowercase)
    return _scored(metric, outputs, references)


def chrf(outputs: Sequence[str], *references: References) -> Score:
    """Corpus chrF; arguments as in `bleu`.

    Reference: Popovic 2015.
    """
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return _scored(metric, outputs, references)


def _scored(metric: Any, outputs: Sequence[str], references: Sequence[References]) -> Score:
    score = metric.corpus_score(list(outputs), [list(side) for side in references]).score
    return Score(score, str(metric.get_signature()))


def evaluate_translation(translator: Translator, pairs: Sequence[Pair]) -> TranslationReport:
    """Translate the sources, each once, and compare with all their references.

    Args:
        translator: The model.
        pairs: Held-out pairs.
    """
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    results = translator(list(targets))
    outputs = [result.text for result in results]
    most = max(len(known) for known in targets.values())
    references = [
        [known[i] if i < len(known) else None for known in targets.values()] for i in range(most)
    ]
    return TranslationReport(
        pairs=len(targets),
        bleu=bleu(outputs, *references),
        bleu_lowercase=bleu(outputs, *references, lowercase=True),
        chrf=chrf(outputs, *references),
        complete=sum(result.is_complete for result in results) / len(results),
    )
