"""A report on the lines of a corpus: how many were read, and which cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "encoding", "nul", "columns", "empty", "length", "equal", "ratio", "repeated", "held_out"
]
KINDS: dict[Kind, str] = {
    "encoding": "not UTF-8",
    "nul": "NUL characters, as in UTF-16",
    "columns": "wrong number of columns",
    "empty": "empty",
    "length": "no token or too many",
    "equal": "equal sides",
    "ratio": "sides of very different lengths",
    "repeated": "repeated pairs",
    "held_out": "held-out sources in data.extra",
}
_SHOWN = 5


class Problem(NamedTuple):
    """A reason why a line cannot be used; `str` gives `file:line (detail)`.

    Attributes:
        kind: A key of `KINDS`.
        file: The file name.
        line: The line number, from 1.
        detail: The side, the number of columns, or what else is wrong.
    """

    kind: Kind
    file: str
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.detail})"


@dataclass
class Tally:
    """Problems, counted by kind; `lines` says how many there are, and where the first few are.

    Attributes:
        counts: The number of problems of each kind.
        first: The first few of each kind, as text.
    """

    counts: dict[Kind, int] = field(default_factory=dict)
    first: dict[Kind, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Tally:
        """Return the tally that `dataclasses.asdict` has made plain values of."""
        return cls(dict(tree["counts"]), dict(tree["first"]))

    def add(self, problems: Iterable[Problem]) -> None:
        """Count further problems."""
        for problem in problems:
            self._count(problem.kind, 1, [problem])

    def update(self, other: Tally) -> None:
        """Count further problems that were counted elsewhere."""
        for kind, count in other.counts.items():
            self._count(kind, count, other.first[kind])

    def _count(self, kind: Kind, count: int, problems: Iterable[object]) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + count
        shown = self.first.setdefault(kind, [])
        if len(shown) < _SHOWN:
            shown += map(str, problems)
            del shown[_SHOWN:]

    def lines(self) -> list[str]:
        """Return a line for each kind."""
        return [
            f"  {name} ({self.counts[kind]:,}): {first_few(self.first[kind], self.counts[kind])}"
            for kind, name in KINDS.items()
            if kind in self.counts
        ]


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
        tally = Tally()
        tally.add(self.problems)
        return "\n".join([lines_read(self.lines, self.kept), *tally.lines()])


def lines_read(lines: int, kept: int) -> str:
    """Return the first line of a report."""
    return f"{lines:,} lines read, {kept:,} usable, {lines - kept:,} not"


def first_few(problems: Sequence[object], count: int | None = None) -> str:
    """Return the first few items as text, and the number of the others.

    Args:
        problems: The items, or the first few of them.
        count: The number of all; defaults to that of `problems`.
    """
    others = (len(problems) if count is None else count) - _SHOWN
    more = f" and {others:,} more" if others > 0 else ""
    return ", ".join(str(problem) for problem in problems[:_SHOWN]) + more
