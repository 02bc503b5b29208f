"""Lines of UTF-8 text, as every program reads them from files and from standard input."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # begins like that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""The byte order marks of other encodings; none of them can begin UTF-8."""


class LineError(ValueError):
    """A line that is not text; the message continues "line 3 ...".

    Attributes:
        kind: `"encoding"` if the line is not UTF-8, `"nul"` if it contains NUL characters.
    """

    def __init__(self, kind: Literal["encoding", "nul"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


def raw_lines(stream: Iterable[bytes], name: str) -> Iterator[bytes]:
    r"""Yield lines without their ends (`\n` or `\r\n`) and without the byte order mark of UTF-8.

    Args:
        stream: An open binary file, or other bytes split after each `\n`.
        name: The name of the file, for the error message.

    Raises:
        ValueError: If the text begins with the byte order mark of UTF-16 or UTF-32.

    Example:
        >>> list(raw_lines([b"\xef\xbb\xbfa\r\n", b"b\n", b"c"], "a.txt"))
        [b'a', b'b', b'c']
    """
    rows = iter(stream)
    first = next(rows, b"")
    encoding = next((value for mark, value in _OTHERS.items() if first.startswith(mark)), None)
    if encoding is not None:
        raise ValueError(
            f"{name} is {encoding}, but text must be UTF-8. Save it as UTF-8, or convert it with "
            f"`iconv -f {encoding} -t UTF-8`"
        )
    first = first.removeprefix(codecs.BOM_UTF8)
    for row in chain([first] if first else (), rows):
        yield row.removesuffix(b"\n").removesuffix(b"\r")


def decoded(row: bytes) -> str:
    r"""Return the text of a line, or of a part of one.

    Raises:
        LineError: If it is not UTF-8, or contains NUL characters: text has none, but UTF-16 without
            a byte order mark and binary files do.

    Example:
        >>> decoded("dîner".encode())
        'dîner'
        >>> decoded("dîner".encode("utf-16-le"))
        Traceback (most recent call last):
        keras_attention.text.lines.LineError: contains NUL characters: it is UTF-16 or no text
    """
    if b"\0" in row:
        raise LineError("nul", "contains NUL characters: it is UTF-16 or no text")
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineError("encoding", f"is not UTF-8: {error.reason}") from error


def text_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Yield the texts of `raw_lines`.

    Raises:
        ValueError: If a line is not text; the message gives the name and the line's number.
    """
    for number, row in enumerate(raw_lines(stream, name), start=1):
        try:
            yield decoded(row)
        except LineError as error:
            raise ValueError(f"{name}, line {number} {error}") from error
