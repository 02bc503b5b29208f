"""Lines to translate or to score, and lines to write, as every program treats them.

Line n of the output belongs to line n of the input. What a program says of a line, and what it
writes of a translation, is worded here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from programs.library import without_keras

SOME_EMPTY = 3
"""The exit status if lines were left empty because they cannot be translated, or scored."""
UNKNOWN_ID: int = without_keras("ids").UNKNOWN_ID
ON_PROBLEM = ("error", "empty")
"""What to do with a line that cannot be translated, or scored."""


class Hypothesis(Protocol):
    """What is written of a translation."""

    @property
    def text(self) -> str:
        """The translation."""

    @property
    def score(self) -> float:
        """Its score."""


class Input(NamedTuple):
    """The lines to translate.

    Attributes:
        texts: A text for each line; it is empty for a line that cannot be translated.
        ids: The source tokens of each text, without the end token.
        problems: Why lines cannot be translated, by line number; continues "line 3 ...".
    """

    texts: list[str]
    ids: list[list[int]]
    problems: dict[int, str]


def read_input(
    rows: Iterable[bytes],
    encode: Callable[[list[str]], list[list[int]]],
    limit: int,
    first: int = 1,
) -> Input:
    """Find the lines that are not text or have too many tokens.

    Args:
        rows: The lines without their ends, as `raw_lines` of the library's `text/lines` yields
            them.
        encode: Returns the tokens of texts, without the end token.
        limit: The maximum number of source tokens, including the end token.
        first: The number of the first line.
    """
    texts, problems = _texts(rows, first)
    ids = encode(texts)
    for place, problem in _too_long(ids, limit, "has"):
        problems[first + place] = problem
        texts[place], ids[place] = "", []
    return Input(texts, ids, dict(sorted(problems.items())))


class Pairs(NamedTuple):
    """Translations to score.

    Attributes:
        sources: The source tokens of each line, without the end token.
        targets: Its target tokens, likewise.
        problems: Why lines cannot be scored, by line number; continues "line 3 ...".
    """

    sources: list[list[int]]
    targets: list[list[int]]
    problems: dict[int, str]


def read_pairs(
    rows: Iterable[bytes],
    encode: Sequence[Callable[[list[str]], list[list[int]]]],
    limits: Sequence[int],
    first: int = 1,
) -> Pairs:
    """Find the lines that are not SOURCE TAB TARGET, or have too many tokens on a side.

    Args:
        rows: As in `read_input`.
        encode: As in `read_input`, for source and target.
        limits: The maximum number of source and target tokens, including the end tokens.
        first: The number of the first line.
    """
    texts, problems = _texts(rows, first)
    cells = [text.split("\t") for text in texts]
    for place, row in enumerate(cells):
        if len(row) != 2:
            tabs = f"has {len(row) - 1} tabs, not one between source and target"
            problems.setdefault(first + place, tabs)
            cells[place] = ["", ""]
    sources, targets = (encode[side]([row[side] for row in cells]) for side in (0, 1))
    for name, ids, limit in zip(("source", "target"), (sources, targets), limits, strict=True):
        for place, problem in _too_long(ids, limit, f"has a {name} of"):
            problems.setdefault(first + place, problem)
    return Pairs(sources, targets, dict(sorted(problems.items())))


def _texts(rows: Iterable[bytes], first: int) -> tuple[list[str], dict[int, str]]:
    """Return the text of each line, and by line number why it is none; its text is then empty."""
    lines = without_keras("text/lines")
    texts: list[str] = []
    problems: dict[int, str] = {}
    for number, row in enumerate(rows, start=first):
        try:
            texts.append(lines.decoded(row))
        except lines.LineError as error:
            texts.append("")
            problems[number] = str(error)
    return texts, problems


def _too_long(ids: Sequence[Sequence[int]], limit: int, has: str) -> Iterator[tuple[int, str]]:
    for place, tokens in enumerate(ids):
        count = len(tokens) + 1
        if count > limit:
            what = f"{has} {count} tokens including the end token, but the model takes {limit}"
            yield place, what


def check_problems(problems: Mapping[int, str], name: str) -> None:
    """Raise `ValueError` for the first of the problems, in the text of this name."""
    for number, problem in problems.items():
        advice = "use --on-problem empty to leave such lines empty"
        raise ValueError(f"{name}, line {number} {problem} ({advice})")


def left_empty(problems: Mapping[int, str]) -> Iterator[str]:
    """Yield what to say of lines that were left empty."""
    for number, problem in problems.items():
        yield f"line {number}: left empty: it {problem}"


def doubts(number: int, ids: Sequence[int], is_complete: bool) -> Iterator[str]:
    """Yield what to say of a line whose translation may be poor.

    Args:
        number: The line's number.
        ids: Its tokens, without the end token.
        is_complete: Whether the translation reached the end token.
    """
    unknown = ids.count(UNKNOWN_ID)
    if unknown:
        yield f"line {number}: {unknown} of its {len(ids)} tokens are unknown to the model"
    if not is_complete:
        yield f"line {number}: cut off at the maximum length"


def rows_of(
    line: int, hypotheses: Sequence[Hypothesis], count: int | None, scores: bool = False
) -> Iterator[str]:
    """Yield the rows to write for a line: its best translation, or several.

    Args:
        line: The line's number, from 0.
        hypotheses: Its translations, best first.
        count: The number of rows "LINE ||| TEXT ||| SCORE", or None for the best text alone.
        scores: Whether a tab and the score follow the best text.
    """
    if count is None:
        best = hypotheses[0]
        yield one_line(best.text) + (f"\t{best.score:.6f}" if scores else "")
        return
    for hypothesis in hypotheses[:count]:
        yield f"{line} ||| {one_line(hypothesis.text)} ||| {hypothesis.score:.6f}"


def one_line(text: str) -> str:
    """Replace line endings, which a model with byte tokens can produce, by spaces."""
    return text.replace("\r", " ").replace("\n", " ")
