"""Files by name, wherever the data lies, and their lines."""

from __future__ import annotations

import codecs
import glob
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from training.program import CorpusError

DATA_VARIABLE = "KERAS_ATTENTION_DATA"


def data_folder() -> Path:
    """Where relative names are also looked for: `KERAS_ATTENTION_DATA`, else `data`."""
    return Path(os.environ.get(DATA_VARIABLE) or "data")


def use_data_folder(folder: str | Path) -> None:
    """Look there from now on, in this process and in those that it starts.

    Raises:
        CorpusError: If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise CorpusError(f"The data folder must exist. Received: {str(folder)!r}")
    os.environ[DATA_VARIABLE] = str(folder)


def found_files(name: str, patterns: Sequence[str]) -> list[str]:
    """The files that paths and globs stand for.

    Each is looked for in the current directory, and where nothing is there, in the data folder.

    Args:
        name: The argument that `patterns` are, for the error.
        patterns: Paths, or globs, which stand for their matches in sorted order.

    Raises:
        CorpusError: If there is no file for one of them.
    """
    files: list[str] = []
    for pattern in patterns:
        found = _found(pattern, Path()) or _found(pattern, data_folder())
        if not found:
            message = f"Argument `{name}` must name files. There is no file {pattern!r}"
            if not Path(pattern).is_absolute():
                message += (
                    f" in {Path.cwd()}, nor in the data folder {data_folder()} (a training's "
                    f"--data or {DATA_VARIABLE} names another)"
                )
            raise CorpusError(message)
        files += found
    return files


def _found(pattern: str, folder: Path) -> list[str]:
    if (folder / pattern).is_file():  # whatever characters its name has
        return [str(folder / pattern)]
    matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 (absolute ones)
    return sorted(str(folder / match) for match in matches if (folder / match).is_file())


def lines(file: str) -> Iterator[bytes]:
    r"""The lines of a file, without their ends (`\n` or `\r\n`) and the byte order mark.

    Args:
        file: The file; unpacked if its name ends in `.gz`.

    Raises:
        CorpusError: If it cannot be read.
    """
    try:
        with gzip.open(file) if file.lower().endswith(".gz") else Path(file).open("rb") as stream:
            first = stream.readline().removeprefix(codecs.BOM_UTF8)
            for line in chain([first] if first else (), stream):
                yield line.removesuffix(b"\n").removesuffix(b"\r")
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"The file {file} cannot be read: {error}") from error
