"""What was read of a corpus, and why some of its lines cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["encoding", "columns", "empty"]
KINDS: dict[Kind, str] = {
    "encoding": "not UTF-8",
    "columns": "wrong number of columns",
    "empty": "empty",
}
_SHOWN = 5


class Problem(NamedTuple):
    """One reason not to use a line; printed as `file:line (detail)`.

    Attributes:
        kind: A key of `KINDS`.
        file: The file, as it was opened.
        line: The line's number in the file, from 1.
        detail: The side, or how many columns there are.
    """

    kind: Kind
    file: str
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.detail})"


@dataclass(frozen=True)
class CorpusReport:
    """What was read; printed as a short summary.

    Attributes:
        files: Every file that was read, in order.
        lines: Lines of all files; two aligned lines are one.
        kept: Lines that became pairs.
        problems: Why the others did not, in the order of the files. A line may have several
            problems, for instance one on each side.
    """

    files: tuple[str, ...]
    lines: int
    kept: int
    problems: tuple[Problem, ...]

    @property
    def dropped(self) -> int:
        """Lines that did not become pairs."""
        return self.lines - self.kept

    def of(self, kind: Kind) -> list[Problem]:
        """The problems of a kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    def __str__(self) -> str:
        rows = [f"{self.lines:,} lines read, {self.kept:,} usable, {self.dropped:,} not"]
        for kind, name in KINDS.items():
            found = self.of(kind)
            if found:
                rows.append(f"  {name} ({len(found):,}): {first_few(found)}")
        return "\n".join(rows)


def first_few(problems: Sequence[object]) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    return ", ".join(str(problem) for problem in problems[:_SHOWN]) + more
