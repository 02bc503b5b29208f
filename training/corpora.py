"""Parallel corpora in files: two aligned by line, or two columns of a TSV."""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

from keras_attention.checks import check_one_of, check_positive
from training.program import ConfigError

Pair = tuple[str, str]
Kind = Literal["encoding", "columns", "empty", "length"]
KINDS: dict[Kind, str] = {
    "encoding": "not UTF-8",
    "columns": "wrong number of columns",
    "empty": "empty",
    "length": "too long",
}
_SHOWN = 5
_Row = tuple[bytes, bytes] | int  # source and target; else the number of columns, which is wrong


class CorpusError(ConfigError):
    """A corpus that cannot be read as it was asked for."""


@dataclass(frozen=True)
class CorpusFiles:
    """The files of a corpus: `source` and `target`, or `tsv`.

    A name is a path or a glob (`**` goes through folders), which stands for its matches in sorted
    order; names that end in `.gz` are unpacked. Several files are read one after the other.

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
        TypeError: If one of the lists of files is a string.
        ValueError: If there is neither `source` with `target` nor `tsv`, or both; `swap` or
            `columns` is given without `tsv`; `columns` are not two different columns.
    """

    source: Sequence[str] = ()
    target: Sequence[str] = ()
    tsv: Sequence[str] = ()
    swap: bool = False
    columns: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the arguments, and make tuples of the lists."""
        for name in ("source", "target", "tsv"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(
                    f"Argument `{name}` must be a list of files. Received: {name}={value!r}"
                )
            object.__setattr__(self, name, tuple(str(item) for item in value))
        aligned = bool(self.source), bool(self.target)
        if aligned != (not self.tsv,) * 2:
            raise ValueError(
                "Either `source` and `target` or `tsv` must name files. "
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


class Problem(NamedTuple):
    """One reason not to use a line; printed as `file:line (detail)`.

    Attributes:
        kind: A key of `KINDS`.
        file: The file, as it was opened.
        line: The line's number in the file, from 1.
        detail: The side, or how many columns or characters there are.
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
                more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
                first = ", ".join(str(problem) for problem in found[:_SHOWN])
                rows.append(f"  {name} ({len(found):,}): {first}{more}")
        return "\n".join(rows)


@dataclass(frozen=True)
class Corpus:
    """Pairs of source and target, in the order of the files, and what was read for them."""

    pairs: list[Pair]
    report: CorpusReport


def read_corpus(
    files: CorpusFiles,
    on_problem: Literal["error", "drop"] = "error",
    max_characters: int | None = None,
) -> Corpus:
    r"""Read a corpus; every line becomes a pair or is in the report.

    A line ends at `\n` or `\r\n` and nowhere else; the last one need not. A byte order mark at the
    start of a file is dropped. All other characters are kept, white space at the ends too.

    Args:
        files: The files.
        on_problem: What to do if a line is not UTF-8, has a wrong number of columns, nothing but
            white space on a side, or too many characters: `"drop"` leaves it out and reports it.
        max_characters: The most characters of a side.

    Returns:
        The pairs and the report.

    Raises:
        CorpusError: If a file is missing or cannot be read, a glob has no match, aligned files
            differ in number or in lines, or no pair is left; and, with `on_problem="error"`, if
            any line has a problem: the message is the report.
        ValueError: If `on_problem` is unknown or `max_characters` is not positive.
    """
    check_one_of("on_problem", on_problem, ("error", "drop"))
    if max_characters is not None:
        check_positive("max_characters", max_characters)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    names: list[str] = []
    lines = 0
    for sides, rows in _opened(files):
        names += dict.fromkeys(sides)
        for line, row in enumerate(rows, start=1):
            lines += 1
            pair = _pair(row, max_characters)
            if pair is None:
                problems += _problems(row, sides, line, max_characters)
            else:
                pairs.append(pair)
    report = CorpusReport(tuple(names), lines, len(pairs), tuple(problems))
    if problems and on_problem == "error":
        raise CorpusError(f'Lines that only `on_problem="drop"` leaves out: {report}')
    if not pairs:
        asked = ", ".join(files.tsv or (*files.source, *files.target))
        raise CorpusError(f"No pair is left of {asked}: {report}")
    return Corpus(pairs, report)


class Split(NamedTuple):
    """Pairs by use."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]


def split_held_out(pairs: Sequence[Pair], dev: int, test: int, seed: int) -> Split:
    """Hold out pairs for validation and test, with no source sentence in two parts.

    Sources that differ only in case, white space or compatibility characters (NFKC) are one. The
    sources are put in the order of a hash keyed by the seed, the first go to the test set until it
    is large enough, the next to the dev set: what is held out depends neither on the order of the
    pairs nor on the process.

    ```python
    >>> pairs = [("Hi!", "¡Hola!"), ("hi!", "¡Buenas!"), ("Run!", "¡Corre!"), ("Who?", "¿Quién?")]
    >>> train, dev, test = split_held_out(pairs, dev=1, test=1, seed=0)
    >>> train
    [('Hi!', '¡Hola!'), ('hi!', '¡Buenas!')]
    >>> dev, test
    ([('Run!', '¡Corre!')], [('Who?', '¿Quién?')])

    ```

    Args:
        pairs: Source and target texts.
        dev: The least pairs to validate on. There are more where the last source has several.
        test: The least pairs to test on.
        seed: Key of the hash.

    Returns:
        `(train, dev, test)`, each in the order of `pairs`.

    Raises:
        CorpusError: If the sources run out before every part has its pairs, training at least one.
        ValueError: If `dev` or `test` is negative.
    """
    for name, value in (("dev", dev), ("test", test)):
        if value < 0:
            raise ValueError(f"Argument `{name}` must not be negative. Received: {name}={value}")
    keys = [_source_key(source, str(seed).encode()) for source, _ in pairs]
    sizes = Counter(keys)
    order = iter(sorted(sizes))
    part: dict[bytes, int] = {}
    for index, least in ((2, test), (1, dev), (0, 1)):
        size = 0
        while size < least:
            key = next(order, None)
            if key is None:
                raise CorpusError(
                    f"The corpus is too small to hold out dev={dev} and test={test} pairs by "
                    f"source and to train on the rest. Received: {len(keys)} pairs of "
                    f"{len(sizes)} different sources"
                )
            part[key] = index
            size += sizes[key]
    split = Split([], [], [])
    for key, pair in zip(keys, pairs, strict=True):
        split[part.get(key, 0)].append(pair)
    return split


def _source_key(source: str, seed: bytes) -> bytes:
    text = unicodedata.normalize("NFKC", source).casefold()
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    return hashlib.blake2b(text.encode(), digest_size=16, key=seed).digest()


def _pair(row: _Row, limit: int | None) -> Pair | None:
    """The texts of a row without any problem."""
    if isinstance(row, int):
        return None
    try:
        source, target = row[0].decode(), row[1].decode()
    except UnicodeDecodeError:
        return None
    if not source.strip() or not target.strip():
        return None
    if limit is not None and max(len(source), len(target)) > limit:
        return None
    return source, target


def _problems(row: _Row, files: Pair, line: int, limit: int | None) -> Iterator[Problem]:
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
        if limit is not None and len(text) > limit:
            yield Problem("length", file, line, f"{side}, {len(text):,} characters")


def _opened(files: CorpusFiles) -> Iterator[tuple[Pair, Iterator[_Row]]]:
    """For each file of two columns, or two aligned files: the names by side, and the rows."""
    if files.tsv:
        for file in _expanded("tsv", files.tsv):
            yield (file, file), _columns(file, files.columns, files.swap)
        return
    sources, targets = _expanded("source", files.source), _expanded("target", files.target)
    if len(sources) != len(targets):
        raise CorpusError(
            "There must be as many target files as source files. Received: "
            f"{len(sources)} source files {sources}, {len(targets)} target files {targets}"
        )
    for source, target in zip(sources, targets, strict=True):
        yield (source, target), _aligned(source, target)


def _expanded(name: str, patterns: Sequence[str]) -> list[str]:
    """The files that paths and globs stand for."""
    files: list[str] = []
    for pattern in patterns:
        if Path(pattern).is_file():  # whatever characters its name has
            files.append(pattern)
            continue
        matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob: no absolute ones)
        found = [match for match in matches if Path(match).is_file()]
        if not found:
            raise CorpusError(f"Argument `{name}` must name files. There is no file {pattern!r}")
        files += sorted(found)
    return files


def _aligned(source: str, target: str) -> Iterator[_Row]:
    for row in zip_longest(_lines(source), _lines(target)):
        if None in row:
            counts = [sum(1 for _ in _lines(file)) for file in (source, target)]
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
    for line in _lines(file):
        cells = line.split(b"\t")
        if len(cells) <= most or (columns is None and len(cells) > 2):
            yield len(cells)
        else:
            yield cells[first], cells[second]


def _lines(file: str) -> Iterator[bytes]:
    """The lines of a file, without their ends and the byte order mark."""
    try:
        with gzip.open(file) if file.lower().endswith(".gz") else Path(file).open("rb") as stream:
            first = stream.readline().removeprefix(codecs.BOM_UTF8)
            for line in chain([first] if first else (), stream):
                yield line.removesuffix(b"\n").removesuffix(b"\r")
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"The file {file} cannot be read: {error}") from error
