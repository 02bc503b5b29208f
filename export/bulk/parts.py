"""What is written and said of consecutive lines of a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from export.bulk.reading import Lines
from export.bulk.session import Tell
from programs.scores import ScoreSummary


class Part(NamedTuple):
    """Consecutive lines with their translations or scores.

    Attributes:
        lines: The number of lines.
        rows: What to write.
        problems: Why lines were left empty, by line number.
        alignments: The word alignment of each line, if it was asked for.
        doubts: What to say of lines whose translations may be poor.
        unknown: The number of lines with tokens that are unknown to the model.
        cut: The number of translations that were cut off at the maximum length.
        scored: The likelihood of the pairs, where pairs are scored.
    """

    lines: int
    rows: list[str]
    problems: Mapping[int, str]
    alignments: Sequence[str] = ()
    doubts: Sequence[str] = ()
    unknown: int = 0
    cut: int = 0
    scored: ScoreSummary = ScoreSummary()


Task = Callable[[Lines, Tell], Part]
"""What is done with lines; it tells the numbers of further lines that are done."""
