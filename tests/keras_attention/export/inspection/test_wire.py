from __future__ import annotations

import pytest

from keras_attention.export.inspection.wire import Damaged, inside, texts

MESSAGE = bytes([0x08, 0x96, 0x01, 0x12, 0x03]) + b"abc" + bytes([0x12, 0x01]) + b"d"


def test_every_value_of_a_field_is_read() -> None:
    """Numbers are skipped; of several strings a runtime would see the last alone."""
    assert list(texts(memoryview(MESSAGE), 2)) == ["abc", "d"]
    assert list(texts(memoryview(MESSAGE), 1)) == []
    outer = bytes([0x1A, len(MESSAGE)]) + MESSAGE + bytes([0x0D, 1, 2, 3, 4, 0x11, *range(8)])
    assert list(texts(memoryview(outer), 3, 2)) == ["abc", "d"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (MESSAGE[:-1], "field 2 has 1 bytes, but 0 are left"),
        (b"\x12\xff\xff\xff\xff\x0f", "field 2 has 4,294,967,295 bytes"),
        (b"\x13\x14", "field 2 is of wire type 3"),
        (b"\x00\x00", "a field with the tag 0"),
        (b"\x92\x80\x80\x80\x10\x01d", "a field with the tag"),
        (b"\x08" + b"\xff" * 11, "a number without an end"),
        (b"\x0d\x00", "field 1 has 4 bytes, but 1 are left"),
    ],
)
def test_no_message(content: bytes, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        list(inside(memoryview(content), 2))
