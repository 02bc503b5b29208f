"""Translate the lines of a stream, a bounded number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from export.bulk.search import Found, Search
from export.bulk.settings import LINES, Settings
from export.bulk.tokenizers import Tokenizers
from programs.library import without_keras
from programs.lines import Input, check_problems, doubts, read_input, rows_of
from programs.word_alignments import align_words, pharaoh


class Part(NamedTuple):
    """Consecutive lines with their translations.

    Attributes:
        lines: The number of lines.
        rows: What to write.
        alignments: The word alignment of each line, if it was asked for.
        problems: Why lines were left empty, by line number.
        doubts: What to say of lines whose translations may be poor.
        unknown: The number of lines with tokens that are unknown to the model.
        cut: The number of translations that were cut off at the maximum length.
    """

    lines: int
    rows: list[str]
    alignments: list[str]
    problems: Mapping[int, str]
    doubts: list[str]
    unknown: int
    cut: int


class Hypothesis(NamedTuple):
    """What is written of a translation."""

    text: str
    score: float


def inputs(stream: Iterable[bytes], name: str, tokenizers: Tokenizers) -> Iterator[Input]:
    """Yield the lines of a stream, some thousands at a time.

    Args:
        stream: An open binary file.
        name: Its name, for error messages.
        tokenizers: The tokenizers.

    Raises:
        ValueError: If the text is UTF-16 or UTF-32.
    """
    rows = without_keras("text/lines").raw_lines(stream, name)
    first = 1
    while part := list(islice(rows, LINES)):
        yield read_input(part, tokenizers.encode, tokenizers.limit, first)
        first += len(part)


def check(stream: Iterable[bytes], name: str, tokenizers: Tokenizers) -> None:
    """Raise `ValueError` if a line of a stream cannot be translated; see `inputs`."""
    for part in inputs(stream, name, tokenizers):
        check_problems(part.problems, name)


class Translator:
    """Translates streams.

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

    def __call__(
        self, stream: Iterable[bytes], name: str, tell: Callable[[int], object] = int
    ) -> Iterator[Part]:
        """Yield the parts of a stream; see `inputs`.

        Args:
            stream: An open binary file.
            name: Its name, for error messages.
            tell: Is called with numbers of further lines that are translated.

        Raises:
            ValueError: If a line cannot be translated, unless such lines are to be left empty.
        """
        first = 1
        for part in inputs(stream, name, self._tokenizers):
            if self._settings.on_problem == "error":
                check_problems(part.problems, name)
            yield self._part(part, first, tell)
            first += len(part.texts)

    def _part(self, lines: Input, first: int, tell: Callable[[int], object]) -> Part:
        found = self._search(lines.ids, tell)
        rows: list[str] = []
        said: list[list[str]] = []
        for number, (ids, each) in enumerate(zip(lines.ids, found, strict=True), start=first):
            written = [Hypothesis(self._tokenizers.decode(x.ids), x.score) for x in each]
            if number in lines.problems:
                written = [Hypothesis("", -math.inf)]
            rows += rows_of(number - 1, written, self._settings.n_best, self._settings.scores)
            said.append(list(doubts(number, ids, each[0].is_complete)))
        cut = sum(not each[0].is_complete for each in found)
        return Part(
            lines=len(found),
            rows=rows,
            alignments=list(self._aligned(lines.texts, found)) if self._has_alignments else [],
            problems=lines.problems,
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
