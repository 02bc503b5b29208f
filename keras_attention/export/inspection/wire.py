"""Read protocol buffers without their classes: the fields of a message as they are in the file.

A runtime keeps the last of several values of a field; here all of them are returned. So whatever
a runtime may see is seen, by a reader that needs neither TensorFlow nor onnx.
"""

from __future__ import annotations

from collections.abc import Iterator

_BYTES, _FIXED = 2, {1: 8, 5: 4}
_LONGEST, _LARGEST_TAG = 10, 2**32


class Damaged(ValueError):
    """No message in the wire format."""


def inside(message: memoryview, *path: int) -> Iterator[memoryview]:
    """Yield the messages and strings at a path of field numbers.

    Args:
        message: The bytes of a message.
        path: The number of a field, then that of a field of its message, and so on.

    Raises:
        Damaged: If one of the messages ends too early, or has a tag that nobody writes.
    """
    first, *others = path
    for number, content in fields(message):
        if number == first:
            if others:
                yield from inside(content, *others)
            else:
                yield content


def texts(message: memoryview, *path: int) -> Iterator[str]:
    """Yield the strings at a path of field numbers."""
    for content in inside(message, *path):
        yield bytes(content).decode("utf-8", "replace")


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and content of the fields that are messages or strings."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if not number or tag >= _LARGEST_TAG:
            raise Damaged(f"a field with the tag {tag}")
        if kind == 0:
            _, place = _varint(message, place)
            continue
        if kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:  # groups, which no file has had for long
            raise Damaged(f"field {number} is of wire type {kind}")
        if size > end - place:
            raise Damaged(f"field {number} has {size:,} bytes, but {end - place:,} are left")
        if kind == _BYTES:
            yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number of variable length, and the place after it."""
    value = 0
    for i, byte in enumerate(message[place : place + _LONGEST]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, place + i + 1
    raise Damaged("a number without an end")
