"""Translate or score standard input, to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from export.bulk.files import encoded, writing
from export.bulk.reading import Reader
from export.bulk.settings import Settings
from export.bulk.tasks import task_of
from programs.library import stored
from programs.lines import SOME_EMPTY, left_empty
from programs.progress import Progress
from programs.scores import ScoreSummary

NAME = "Standard input"


def finish_stream(settings: Settings, alignments: Path | None = None) -> int:
    """Translate or score standard input, and return the exit status.

    Args:
        settings: What makes the output.
        alignments: The file for word alignments, or None.

    Raises:
        ValueError: If a line has a problem, before anything is written, unless such lines are to be
            left empty.
    """
    reader = Reader(settings)
    some_empty, scored, progress = False, ScoreSummary(), Progress()
    with ExitStack() as opened:
        lines: Iterable[bytes] = sys.stdin.buffer
        if settings.on_problem == "error":
            lines = opened.enter_context(checked(sys.stdin.buffer, reader))
        aligned = opened.enter_context(writing(alignments)) if alignments is not None else None
        task = task_of(settings, reader.tokenizers, alignments is not None)
        for read in reader(lines, NAME):
            part = task(read, progress.add)
            for text in (*left_empty(part.problems), *part.doubts):
                print(f"warning: {text}", file=sys.stderr)
            some_empty = some_empty or bool(part.problems)
            scored += part.scored
            _write(part.rows)
            if aligned is not None:
                aligned.write(encoded(part.alignments))
    progress.end()
    if scored.pairs:
        print(scored, file=sys.stderr)
    return SOME_EMPTY if some_empty else 0


@contextmanager
def checked(stream: BinaryIO, reader: Reader) -> Iterator[Iterable[bytes]]:
    """Yield a stream again from where it is, after all its lines have been checked.

    A file is read twice; what comes through a pipe is kept in a temporary file.

    Raises:
        ValueError: If a line has a problem.
    """
    if stream.seekable():
        start = stream.tell()
        reader.check(stream, NAME)
        stream.seek(start)
        yield stream
        return
    with TemporaryFile() as copy:
        reader.check(_copied(stream, cast(IO[bytes], copy)), NAME)
        copy.seek(0)
        yield copy


def _copied(stream: Iterable[bytes], copy: IO[bytes]) -> Iterator[bytes]:
    for row in stream:
        copy.write(row)
        yield row


def _write(rows: list[str]) -> None:
    if sys.stdout.isatty():
        rows = [stored().printable(row) for row in rows]
    sys.stdout.buffer.write(encoded(rows))
    sys.stdout.buffer.flush()
