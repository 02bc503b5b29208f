"""Inspect an exported file before a runtime opens it, because it may come from other people.

A SavedModel is a program that can read and write files. `saved_model` says which of its operations
may run: those that exports of runs use, or those of any model. `onnx` and `tflite` look for files
outside and for operations of other libraries, `wire` reads protocol buffers without their classes,
and `before` says which program of a runtime gets which inspection.

What ONNX needs is written with the standard library and relative names alone: the server of an
export brings a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refused(RuntimeError):
    """A file that must not be opened; the message says why, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file is refused before it runs: it {reason}")


def content_of(file: Path) -> memoryview:
    """The content of a regular file: reading a pipe or a device would never end."""
    if file.exists() and not file.is_file():
        raise Refused(f"has a {file.name} that is no regular file")
    return memoryview(file.read_bytes())


@contextmanager
def reading(*damaged: type[Exception]) -> Iterator[None]:
    """Refuse a file that cannot be read, or whose reader raises one of these errors."""
    try:
        yield
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error
    except damaged as error:
        raise Refused(f"is damaged, or of another format: {error}") from error
