"""Files of lines, compressed where their name ends in `.gz`, written beside and renamed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from programs.library import without_keras

COMPRESSED = ".gz"


@contextmanager
def reading(file: Path) -> Iterator[Iterable[bytes]]:
    """Open a file to read its lines.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is compressed, and damaged.
    """
    if file.suffix != COMPRESSED:
        with file.open("rb") as plain:
            yield plain
        return
    try:
        with gzip.open(file, "rb") as unpacked:
            yield cast(Iterable[bytes], unpacked)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is no whole gzip file: {error}") from error


@contextmanager
def writing(file: Path) -> Iterator[IO[bytes]]:
    """Yield a stream whose content takes the place of a file on success.

    The same lines give the same bytes: a compressed file holds neither its name nor the time.
    """
    with ExitStack() as opened:
        fresh = opened.enter_context(without_keras("files").replacing(file))
        stream = opened.enter_context(fresh.open("wb"))
        if file.suffix == COMPRESSED:
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
            yield cast(IO[bytes], opened.enter_context(packed))
        else:
            yield stream


def encoded(rows: Iterable[str]) -> bytes:
    """Return rows as lines of a file."""
    return "".join(f"{row}\n" for row in rows).encode()
