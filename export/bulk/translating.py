"""Lines to translations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from export.bulk.parts import Part
from export.bulk.reading import Lines
from export.bulk.search import Found, Search
from export.bulk.session import Tell
from export.bulk.settings import Settings
from export.bulk.tokenizers import Tokenizers
from programs.lines import doubts, rows_of
from programs.word_alignments import align_words, pharaoh


class Hypothesis(NamedTuple):
    """What is written of a translation."""

    text: str
    score: float


class Translate:
    """Translates lines.

    Args:
        settings: What makes the translations.
        tokenizers: The tokenizers of the export.
        alignments: Whether to align words.
    """

    def __init__(self, settings: Settings, tokenizers: Tokenizers, alignments: bool) -> None:
        self._settings = settings
        self._tokenizers = tokenizers
        self._has_alignments = alignments
        self._search = Search(settings, attention=alignments)

    def __call__(self, lines: Lines, tell: Tell = int) -> Part:
        """Return the lines' translations; see `Task`."""
        found = self._search(lines.ids, tell)
        rows: list[str] = []
        said: list[list[str]] = []
        sources = lines.ids["source"]
        for number, (ids, each) in enumerate(zip(sources, found, strict=True), start=lines.first):
            written = [Hypothesis(self._tokenizers.decode(x.ids), x.score) for x in each]
            if number in lines.problems:
                written = [Hypothesis("", -math.inf)]
            rows += rows_of(number - 1, written, self._settings.n_best, self._settings.scores)
            said.append(list(doubts(number, ids[:-1], each[0].is_complete)))
        cut = sum(not each[0].is_complete for each in found)
        return Part(
            lines=len(found),
            rows=rows,
            problems=lines.problems,
            alignments=list(self._aligned(lines.texts, found)) if self._has_alignments else (),
            doubts=[text for texts in said for text in texts],
            unknown=sum(map(len, said)) - cut,
            cut=cut,
        )

    def _aligned(self, texts: Sequence[str], found: Sequence[Sequence[Found]]) -> Iterator[str]:
        sources = self._tokenizers.source_tokens(texts)
        for source, (best, *_) in zip(sources, found, strict=True):
            if best.attention is None:
                yield ""
            else:
                target = self._tokenizers.target_tokens(best.ids)
                yield pharaoh(align_words(best.attention, target, source))
