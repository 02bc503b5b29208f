"""Score translations with sacreBLEU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_attention.model.generation import Search
from keras_attention.text import Translation
from training.corpora.pairs import Pair
from training.evaluation.lengths import length_buckets
from training.evaluation.metrics import Score, bleu, chrf, columns


@dataclass(frozen=True)
class LengthScore:
    """BLEU on sources of similar length.

    Attributes:
        words: The range of source lengths in words, such as "8-11".
        sources: The number of sources.
        bleu: Case-sensitive BLEU.
        bleu_lowercase: BLEU of lower-cased text.
    """

    words: str
    sources: int
    bleu: float
    bleu_lowercase: float


@dataclass(frozen=True)
class TranslationReport:
    """Results on held-out pairs.

    Attributes:
        search: The search.
        pairs: The number of pairs.
        sources: The number of distinct sources; a source with several pairs has several references.
        bleu: Case-sensitive BLEU.
        bleu_lowercase: BLEU of lower-cased text.
        chrf: Case-sensitive chrF.
        chrf_lowercase: chrF of lower-cased text.
        complete: The fraction of outputs that ended before the maximum length.
        by_length: BLEU on the shortest, middle and longest third of the sources.
    """

    search: str
    pairs: int
    sources: int
    bleu: Score
    bleu_lowercase: Score
    chrf: Score
    chrf_lowercase: Score
    complete: float
    by_length: list[LengthScore]

    def __str__(self) -> str:
        rows = [
            ("BLEU", self.bleu),
            ("BLEU, lower-cased", self.bleu_lowercase),
            ("chrF", self.chrf),
            ("chrF, lower-cased", self.chrf_lowercase),
        ]
        lines = [f"{name:<20}{score:>8.2f}   {signature}" for name, (score, signature) in rows]
        counts = [
            f"{'search':<20}{self.search}",
            f"{'pairs':<20}{self.pairs:>8,}",
            f"{'sources':<20}{self.sources:>8,}   several pairs with one source are its references",
            f"{'complete':<20}{self.complete:>8.2%}   of the outputs end before the maximum length",
        ]
        head = f"{'words of the source':<20}{'sources':>8}{'BLEU':>8}{'lower-cased':>13}"
        lengths = [
            f"{row.words:<20}{row.sources:>8,}{row.bleu:>8.2f}{row.bleu_lowercase:>13.2f}"
            for row in self.by_length
        ]
        return "\n".join([*counts, *lines, head, *lengths])


def references_by_source(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Return the targets of each distinct source, in the order of the pairs."""
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    return targets


def report_translation(
    targets: Mapping[str, Sequence[str]], results: Sequence[Translation], search: Search
) -> TranslationReport:
    """Score translations against their references.

    Args:
        targets: The references of each source.
        results: The translation of each source, in the same order.
        search: The search that found them.
    """
    known, outputs = list(targets.values()), [result.text for result in results]
    references = columns(known)
    by_length = []
    for bucket in length_buckets(list(targets), 3):
        some = [outputs[i] for i in bucket.places]
        theirs = columns([known[i] for i in bucket.places])
        cased, lowercase = (bleu(some, *theirs, lowercase=low).score for low in (False, True))
        by_length.append(LengthScore(bucket.name, len(some), cased, lowercase))
    return TranslationReport(
        search=str(search),
        pairs=sum(len(several) for several in known),
        sources=len(targets),
        bleu=bleu(outputs, *references),
        bleu_lowercase=bleu(outputs, *references, lowercase=True),
        chrf=chrf(outputs, *references),
        chrf_lowercase=chrf(outputs, *references, lowercase=True),
        complete=sum(result.is_complete for result in results) / len(results),
        by_length=by_length,
    )
