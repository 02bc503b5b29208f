"""Parallel corpora in files: two aligned by line, or two columns of a TSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from keras_attention.checks import check_one_of
from training.corpora.files import found_files, lines
from training.corpora.report import CorpusReport, Problem
from training.program import CorpusError

Pair = tuple[str, str]
_Row = tuple[bytes, bytes] | int  # source and target; else the number of columns, which is wrong


def _as_list(names: Any) -> Any:
    """One name as a list of one, and None as an empty list."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str | PathLike) else names


Names = Annotated[Sequence[str], BeforeValidator(_as_list)]


@dataclass(frozen=True)
class CorpusFiles:
    """The files of a corpus: `source` and `target`, or `tsv`.

    A name is a path or a glob (`**` goes through folders), which stands for its matches in sorted
    order; names that end in `.gz` are unpacked. Several files are read one after the other. A
    relative name is looked for in the current directory, and where nothing is there, in the data
    folder: what `--data` or the variable `KERAS_ATTENTION_DATA` names, else `data`. A string is a
    list of one.

    ```python
    >>> files = CorpusFiles(source=["part-*.de.gz"], target=["part-*.en.gz"])
    >>> files = CorpusFiles(tsv=["spa.txt"], columns=(0, 1))  # a third column is not looked at

    ```

    Attributes:
        source: Files of source sentences, one a line.
        target: Files of their translations: as many files, each with as many lines.
        tsv: Files of lines SOURCE TAB TARGET.
        swap: Whether a line of `tsv` is TARGET TAB SOURCE.
        columns: Which columns of `tsv` are read, from 0, where there may be others; by default
            there are exactly two.

    Raises:
        ValueError: If there is neither `source` with `target` nor `tsv`, or both; `swap` or
            `columns` is given without `tsv`; `columns` are not two different columns.
    """

    source: Names = ()
    target: Names = ()
    tsv: Names = ()
    swap: bool = False
    columns: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the arguments, and make tuples of the lists."""
        for name in ("source", "target", "tsv"):
            value = _as_list(getattr(self, name))
            object.__setattr__(self, name, tuple(str(item) for item in value))
        aligned = bool(self.source), bool(self.target)
        if aligned != (not self.tsv,) * 2:
            null = (
                ", and null takes back what a recipe names (data.train.source=null "
                "data.train.target=null, or data.train.tsv=null)"
            )
            raise ValueError(
                "Either `source` and `target` or `tsv` must name files"
                f"{null if self.tsv else ''}. "
                f"Received: source={self.source}, target={self.target}, tsv={self.tsv}"
            )
        for name, given in (("swap", self.swap), ("columns", self.columns is not None)):
            if given and not self.tsv:
                raise ValueError(
                    f"Argument `{name}` is for `tsv`. Received: {name}={getattr(self, name)}"
                )
        if self.columns is not None:
            first, second = self.columns
            if first == second or min(first, second) < 0:
                raise ValueError(
                    "Argument `columns` must be two different columns, the first being 0. "
                    f"Received: columns={self.columns}"
                )


@dataclass(frozen=True)
class Corpus:
    """Pairs of source and target, in the order of the files, and what was read for them."""

    pairs: list[Pair]
    report: CorpusReport


def read_corpus(
    files: CorpusFiles,
    on_problem: Literal["error", "drop"] = "error",
    advice: Sequence[str] = (),
) -> Corpus:
    r"""Read a corpus; every line becomes a pair or is in the report.

    A line ends at `\n` or `\r\n` and nowhere else; the last one need not. A byte order mark at the
    start of a file is dropped. All other characters are kept, white space at the ends too.

    Args:
        files: The files.
        on_problem: What to do if a line is not UTF-8, has a wrong number of columns, or nothing but
            white space on a side: `"drop"` leaves it out and reports it.
        advice: What the error of such lines says besides.

    Returns:
        The pairs and the report.

    Raises:
        CorpusError: If a file is missing or cannot be read, a glob has no match, aligned files
            differ in number or in lines, a file is named twice, or no pair is left; and, with
            `on_problem="error"`, if any line has a problem: the message is the report.
        ValueError: If `on_problem` is unknown.
    """
    check_one_of("on_problem", on_problem, ("error", "drop"))
    pairs: list[Pair] = []
    problems: list[Problem] = []
    names: list[str] = []
    count = 0
    read: set[Pair] = set()
    for sides, rows in _opened(files):
        if sides in read:
            raise CorpusError(f"A file must be named once. Received: twice {sides[0]}")
        read.add(sides)
        names += dict.fromkeys(sides)
        for line, row in enumerate(rows, start=1):
            count += 1
            pair = _pair(row)
            if pair is None:
                problems += _problems(row, sides, line)
            else:
                pairs.append(pair)
    report = CorpusReport(tuple(names), count, len(pairs), tuple(problems))
    if problems and on_problem == "error":
        raise CorpusError("\n".join([f"Some lines are no pairs: {report}", *advice]))
    if not pairs:
        asked = ", ".join(files.tsv or (*files.source, *files.target))
        raise CorpusError(f"No pair is left of {asked}: {report}")
    return Corpus(pairs, report)


def places(files: CorpusFiles | None, pairs: Iterable[Pair]) -> dict[Pair, list[Pair]]:
    """Where pairs stand: for each the `file:line` of its source and that of its target.

    Args:
        files: Where to look; None for nowhere.
        pairs: The pairs; one that occurs several times has as many places, in order.
    """
    wanted = set(pairs)
    found: dict[Pair, list[Pair]] = {}
    for sides, rows in [] if files is None else _opened(files):
        for line, row in enumerate(rows, start=1):
            pair = _pair(row)
            if pair is not None and pair in wanted:
                here = f"{sides[0]}:{line}", f"{sides[1]}:{line}"
                found.setdefault(pair, []).append(here)
    return found


def _pair(row: _Row) -> Pair | None:
    """The texts of a row without any problem."""
    if isinstance(row, int):
        return None
    try:
        source, target = row[0].decode(), row[1].decode()
    except UnicodeDecodeError:
        return None
    if not source.strip() or not target.strip():
        return None
    return source, target


def _problems(row: _Row, files: Pair, line: int) -> Iterator[Problem]:
    if isinstance(row, int):
        yield Problem("columns", files[0], line, f"{row} columns")
        return
    for side, file, data in zip(("source", "target"), files, row, strict=True):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            yield Problem("encoding", file, line, side)
            continue
        if not text.strip():
            yield Problem("empty", file, line, side)


def _opened(files: CorpusFiles) -> Iterator[tuple[Pair, Iterator[_Row]]]:
    """For each file of two columns, or two aligned files: the names by side, and the rows."""
    if files.tsv:
        for file in found_files("tsv", files.tsv):
            yield (file, file), _columns(file, files.columns, files.swap)
        return
    sources, targets = found_files("source", files.source), found_files("target", files.target)
    if len(sources) != len(targets):
        raise CorpusError(
            "There must be as many target files as source files. Received: "
            f"{len(sources)} source files {sources}, {len(targets)} target files {targets}"
        )
    for source, target in zip(sources, targets, strict=True):
        yield (source, target), _aligned(source, target)


def _aligned(source: str, target: str) -> Iterator[_Row]:
    for row in zip_longest(lines(source), lines(target)):
        if None in row:
            counts = [sum(1 for _ in lines(file)) for file in (source, target)]
            raise CorpusError(
                "Aligned files must have as many lines each. "
                f"Received: {source} of {counts[0]:,} lines, {target} of {counts[1]:,} lines"
            )
        yield row


def _columns(file: str, columns: tuple[int, int] | None, swap: bool) -> Iterator[_Row]:
    first, second = columns or (0, 1)
    if swap:
        first, second = second, first
    most = max(first, second)
    for line in lines(file):
        cells = line.split(b"\t")
        if len(cells) <= most or (columns is None and len(cells) > 2):
            yield len(cells)
        else:
            yield cells[first], cells[second]
