"""A report on the lines of a corpus: how many were read, and which cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["encoding", "nul", "columns", "empty"]
KINDS: dict[Kind, str] = {
    "encoding": "not UTF-8",
    "nul": "NUL characters, as in UTF-16",
    "columns": "wrong number of columns",
    "empty": "empty",
}
_SHOWN = 5


class Problem(NamedTuple):
    """A reason why a line cannot be used; `str` gives `file:line (detail)`.

    Attributes:
        kind: A key of `KINDS`.
        file: The file name.
        line: The line number, from 1.
        detail: The side, or the number of columns.
    """

    kind: Kind
    file: str
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.detail})"


@dataclass(frozen=True)
class CorpusReport:
    """The report on a corpus; `str` gives a short summary.

    Attributes:
        files: The files that were read, in order.
        lines: The total number of lines; two aligned lines count as one.
        kept: The number of lines that became pairs.
        problems: The problems of the other lines, in the order of the files. A line may have
            several problems, for instance one on each side.
    """

    files: tuple[str, ...]
    lines: int
    kept: int
    problems: tuple[Problem, ...]

    @property
    def dropped(self) -> int:
        """The number of lines that did not become pairs."""
        return self.lines - self.kept

    def of(self, kind: Kind) -> list[Problem]:
        """Return the problems of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    def __str__(self) -> str:
        rows = [f"{self.lines:,} lines read, {self.kept:,} usable, {self.dropped:,} not"]
        for kind, name in KINDS.items():
            found = self.of(kind)
            if found:
                rows.append(f"  {name} ({len(found):,}): {first_few(found)}")
        return "\n".join(rows)


def first_few(problems: Sequence[object]) -> str:
    """Return the first few items as text, and the number of the others."""
    more = f" and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    return ", ".join(str(problem) for problem in problems[:_SHOWN]) + more
