"""Read parallel corpora: two files aligned by line, or two columns of a TSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator

from keras_attention.checks import check_one_of
from keras_attention.memory import check_fits
from keras_attention.stored import Files
from keras_attention.text.lines import LineError, decoded
from training.corpora.files import found_files, lines
from training.corpora.report import CorpusReport, Problem
from training.program import CorpusError

Pair = tuple[str, str]
_Row = tuple[bytes, bytes] | int  # source and target, or the wrong number of columns
_ATTRIBUTION = b"CC-BY 2.0 (France) Attribution: "  # begins the third column of manythings.org


def _as_list(names: Any) -> Any:
    """Return one name as a tuple of one, and None as an empty tuple."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str | PathLike) else names


Names = Annotated[Sequence[str], BeforeValidator(_as_list)]


@dataclass(frozen=True)
class CorpusFiles(Files):
    """The files of a corpus: `source` and `target`, `tsv`, or `shards`.

    A name is a path or a glob (`**` matches folders, too); the matches of a glob are sorted. Names
    that end in `.gz` are decompressed. Several files are concatenated. A relative name is looked up
    in the current directory, then in the data folder, which is set by `--data` or the environment
    variable `KERAS_ATTENTION_DATA` and defaults to `data`. A string is the same as a list of one
    name.

    ```python
    >>> files = CorpusFiles(source=["part-*.de.gz"], target=["part-*.en.gz"])
    >>> files = CorpusFiles(tsv=["spa.txt"], columns=(0, 2))  # ignores the second column

    ```

    Attributes:
        source: Files of source sentences, one per line.
        target: Files of their translations: the same number of files and of lines in each.
        tsv: Files with lines SOURCE TAB TARGET.
        swap: Whether the lines of `tsv` are TARGET TAB SOURCE.
        columns: The source and target columns of `tsv`, from 0; other columns are ignored. If None,
            there must be exactly two columns, apart from the attribution in the third column of
            manythings.org/anki, which is ignored.
        shards: A folder that `training.prepare` has made of other files.

    Raises:
        ValueError: If not exactly one of `source` with `target`, `tsv` and `shards` is given; if
            `swap` or `columns` is given without `tsv`; or if `columns` are not two different ones.
    """

    source: Names = ()
    target: Names = ()
    tsv: Names = ()
    shards: str | None = None

    def __post_init__(self) -> None:
        """Check the arguments and convert lists to tuples."""
        for name in ("source", "target", "tsv"):
            value = _as_list(getattr(self, name))
            object.__setattr__(self, name, tuple(str(item) for item in value))
        others = bool(self.tsv) + (self.shards is not None)
        if (bool(self.source), bool(self.target)) != (not others,) * 2 or others > 1:
            null = (
                "; use null to unset the files of a recipe (data.train.source=null "
                "data.train.target=null, or data.train.tsv=null)"
            )
            raise ValueError(
                "Either `source` and `target`, or `tsv`, or `shards` must be given, and nothing "
                f"else{null if others else ''}. Received: source={self.source}, "
                f"target={self.target}, tsv={self.tsv}, shards={self.shards}"
            )
        for name, given in (("swap", self.swap), ("columns", self.columns is not None)):
            if given and not self.tsv:
                raise ValueError(
                    f"Argument `{name}` requires `tsv`. Received: {name}={getattr(self, name)}"
                )
        if self.columns is not None:
            first, second = self.columns
            if first == second or min(first, second) < 0:
                raise ValueError(
                    "Argument `columns` must be two different numbers from 0. "
                    f"Received: columns={self.columns}"
                )

    @property
    def sides(self) -> Pair:
        """The file of the sources and that of the targets; the first ones, if there are more."""
        return (self.tsv or self.source)[0], (self.tsv or self.target)[0]


@dataclass(frozen=True)
class Corpus:
    """Pairs of source and target in the order of the files, and a report."""

    pairs: list[Pair]
    report: CorpusReport


def read_corpus(
    files: CorpusFiles,
    on_problem: Literal["error", "drop"] = "error",
    advice: Sequence[str] = (),
    columns: str = "columns=(0, 1)",
) -> Corpus:
    r"""Read a corpus; every line either becomes a pair or is listed in the report.

    Only `\n` and `\r\n` end a line; the last line may lack them. A byte order mark at the start of
    a file is removed. All other characters are kept, including leading and trailing white space.

    Args:
        files: The files.
        on_problem: What to do with a line that is not UTF-8, contains NUL characters, has the wrong
            number of columns, or only white space on one side: raise an `"error"`, or `"drop"` it
            and report it.
        advice: Lines to append to the error about such lines, if others can be used.
        columns: How the caller selects two columns, for the error about their number.

    Returns:
        The pairs and the report.

    Raises:
        CorpusError: If a file is missing, cannot be read or is UTF-16, a glob has no match, aligned
            files differ in their number or their number of lines, a file is named twice, or no pair
            is left; and, with `on_problem="error"`, if any line has a problem.
        ValueError: If `on_problem` is unknown.
    """
    check_one_of("on_problem", on_problem, ("error", "drop"))
    _check_size(files)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    names: list[str] = []
    count = 0
    for part in parts_of(files):
        names += dict.fromkeys(part.sides)
        for entry in entries(part):
            count += 1
            if entry.pair is None:
                problems += entry.problems
            else:
                pairs.append(entry.pair)
    report = CorpusReport(tuple(names), count, len(pairs), tuple(problems))
    hints = []
    if report.of("columns") and files.columns is None:
        hint = f"A line must be SOURCE TAB TARGET; to use two of several columns, set {columns}."
        hints = [hint]
    if not pairs:
        asked = ", ".join(files.tsv or (*files.source, *files.target))
        raise CorpusError("\n".join([f"There are no valid pairs in {asked}: {report}", *hints]))
    if problems and on_problem == "error":
        raise CorpusError("\n".join([f"Some lines are not valid pairs: {report}", *hints, *advice]))
    return Corpus(pairs, report)


def _check_size(files: CorpusFiles) -> None:
    """Raise `CorpusError` if the texts cannot fit into memory, even if not compressed."""
    named = {"tsv": files.tsv, "source": files.source, "target": files.target}
    size = sum(
        Path(file).stat().st_size
        for name, patterns in named.items()
        for file in found_files(name, patterns)
    )
    names = ", ".join(name for patterns in named.values() for name in patterns)
    try:
        check_fits(f"The texts of {names}", size)
    except ValueError as error:
        raise CorpusError(str(error)) from error


class Entry(NamedTuple):
    """A line of a corpus.

    Attributes:
        line: Its number, from 1.
        pair: Its source and target; None if it cannot be used.
        problems: Why it cannot be used.
    """

    line: int
    pair: Pair | None
    problems: tuple[Problem, ...] = ()


def parts_of(files: CorpusFiles) -> list[CorpusFiles]:
    """Return each TSV file, or pair of aligned files, by itself.

    Raises:
        CorpusError: If a file is missing or named twice, or aligned files differ in their number.
    """
    sources, targets = found_files("source", files.source), found_files("target", files.target)
    if len(sources) != len(targets):
        raise CorpusError(
            "The numbers of source and target files must be equal. Received: "
            f"{len(sources)} source files {sources}, {len(targets)} target files {targets}"
        )
    aligned = zip(sources, targets, strict=True)
    parts = [replace(files, source=(source,), target=(target,)) for source, target in aligned]
    parts += [replace(files, tsv=(file,)) for file in found_files("tsv", files.tsv)]
    for sides, count in Counter(part.sides for part in parts).items():
        if count > 1:
            raise CorpusError(f"A file must be named only once. Received: {sides[0]} twice")
    return parts


def entries(part: CorpusFiles) -> Iterator[Entry]:
    """Yield the lines of one part, one by one.

    Raises:
        CorpusError: If a file cannot be read or is UTF-16, or aligned files differ in length.
    """
    sides = part.sides
    rows = _columns(sides[0], part.columns, part.swap) if part.tsv else _aligned(*sides)
    for line, row in enumerate(rows, start=1):
        pair = _pair(row)
        yield Entry(line, pair, () if pair else tuple(_problems(row, sides, line)))


def places(files: Iterable[CorpusFiles], pairs: Iterable[Pair]) -> dict[Pair, list[Pair]]:
    """Find the places of pairs in files.

    Args:
        files: The files to search.
        pairs: The pairs to find.

    Returns:
        For each pair that was found, a list with the `file:line` of its source and its target, one
        entry per occurrence, in order.
    """
    wanted = set(pairs)
    found: dict[Pair, list[Pair]] = {}
    for part in chain.from_iterable(map(parts_of, files)):
        source, target = part.sides
        for line, pair, _ in entries(part):
            if pair is not None and pair in wanted:
                found.setdefault(pair, []).append((f"{source}:{line}", f"{target}:{line}"))
    return found


def _pair(row: _Row) -> Pair | None:
    """Return the texts of a row, or None if it has a problem."""
    if isinstance(row, int):
        return None
    try:
        source, target = decoded(row[0]), decoded(row[1])
    except LineError:
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
            text = decoded(data)
        except LineError as error:
            yield Problem(error.kind, file, line, side)
            continue
        if not text.strip():
            yield Problem("empty", file, line, side)


def _aligned(source: str, target: str) -> Iterator[_Row]:
    for row in zip_longest(lines(source), lines(target)):
        if None in row:
            counts = [sum(1 for _ in lines(file)) for file in (source, target)]
            raise CorpusError(
                "Aligned files must have the same number of lines. "
                f"Received: {source} with {counts[0]:,} lines, {target} with {counts[1]:,} lines"
            )
        yield row


def _columns(file: str, columns: tuple[int, int] | None, swap: bool) -> Iterator[_Row]:
    first, second = columns or (0, 1)
    if swap:
        first, second = second, first
    most = max(first, second)
    for line in lines(file):
        cells = line.split(b"\t")
        if columns is None and len(cells) == 3 and cells[2].startswith(_ATTRIBUTION):
            del cells[2]
        if len(cells) <= most or (columns is None and len(cells) > 2):
            yield len(cells)
        else:
            yield cells[first], cells[second]
