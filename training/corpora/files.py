"""Find corpus files by name and read their lines."""

from __future__ import annotations

import glob
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_attention.text.lines import raw_lines
from training.program import CorpusError

DATA_VARIABLE = "KERAS_ATTENTION_DATA"


def data_folder() -> Path:
    """Return the folder in which relative names are also looked up.

    It is set by the environment variable `KERAS_ATTENTION_DATA` and defaults to `data`.
    """
    return Path(os.environ.get(DATA_VARIABLE) or "data")


def use_data_folder(folder: str | Path) -> None:
    """Set the data folder for this process and its child processes.

    Raises:
        CorpusError: If the folder does not exist.
    """
    if not Path(folder).is_dir():
        raise CorpusError(f"The data folder must exist. Received: {str(folder)!r}")
    os.environ[DATA_VARIABLE] = str(folder)


def found_files(name: str, patterns: Sequence[str]) -> list[str]:
    """Return the files that match paths and globs.

    Each pattern is looked up in the current directory, then in the data folder.

    Args:
        name: The name of the argument, for the error message.
        patterns: Paths or globs; the matches of a glob are sorted.

    Raises:
        CorpusError: If a pattern matches no file.
    """
    files: list[str] = []
    for pattern in patterns:
        found = _found(pattern, Path()) or _found(pattern, data_folder())
        if not found:
            message = f"Argument `{name}` must name existing files. There is no file {pattern!r}"
            if not Path(pattern).is_absolute():
                message += (
                    f" in {Path.cwd()} or in the data folder {data_folder()} (set the data folder "
                    f"with --data or {DATA_VARIABLE})"
                )
            raise CorpusError(message)
        files += found
    return files


def _found(pattern: str, folder: Path) -> list[str]:
    if (folder / pattern).is_file():  # even if its name has the characters of a glob
        return [str(folder / pattern)]
    matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 (absolute ones)
    return sorted(str(folder / match) for match in matches if (folder / match).is_file())


def lines(file: str) -> Iterator[bytes]:
    r"""Yield the lines of a file without their ends (`\n` or `\r\n`) and the byte order mark.

    Args:
        file: The file; decompressed if its name ends in `.gz`.

    Raises:
        CorpusError: If the file cannot be read, or is UTF-16 or UTF-32.
    """
    try:
        with gzip.open(file) if file.lower().endswith(".gz") else Path(file).open("rb") as stream:
            yield from raw_lines(stream, f"The file {file}")
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"The file {file} cannot be read: {error}") from error
    except ValueError as error:  # another encoding
        raise CorpusError(str(error)) from error
