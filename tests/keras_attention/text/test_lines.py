from __future__ import annotations

import codecs
import io

import pytest

from keras_attention.text.lines import LineError, decoded, raw_lines, text_lines


def read(data: bytes) -> list[str]:
    return list(text_lines(io.BytesIO(data), "a.txt"))


def test_lines_end_at_line_feeds_alone() -> None:
    data = "a\u2028b\nc\x85\x0b\x0cd\re\r\n\nf\r".encode()
    assert read(data) == ["a\u2028b", "c\x85\x0b\x0cd\re", "", "f"]
    assert read(b"") == read(codecs.BOM_UTF8) == []
    assert read(b"\n") == read(codecs.BOM_UTF8 + b"\n") == [""]


def test_a_byte_order_mark_is_no_text() -> None:
    assert read(b"\xef\xbb\xbf3 May\n\xef\xbb\xbfx\n") == ["3 May", "\ufeffx"]


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("text", ["a\tb\nc\td\n", "да\tнет\n", "日本\n", ""])
def test_another_encoding_is_named(text: str, size: int, order: str) -> None:
    data = f"\ufeff{text}".encode(f"utf-{size}-{order}")
    with pytest.raises(
        ValueError, match=f"^a.txt is UTF-{size}, but .*`iconv -f UTF-{size} -t UTF"
    ):
        list(raw_lines(io.BytesIO(data), "a.txt"))


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("text", ["a\tb\nc\td\n", "да\tнет\n", "a\r\nb"])
def test_utf_16_without_a_mark_is_no_text(text: str, order: str) -> None:
    """Tabs, spaces and line ends have NUL bytes, whatever the script."""
    with pytest.raises(ValueError, match=r"^a.txt, line 1 contains NUL characters: it is UTF-16"):
        read(text.encode(f"utf-16-{order}"))


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"caf\xe9", "encoding", "is not UTF-8: unexpected end of data"),
        (b"\xc0\xaf", "encoding", "is not UTF-8: invalid start byte"),
        (b"\xed\xa0\x80", "encoding", "is not UTF-8: invalid continuation byte"),  # a surrogate
        (b"a\0b", "nul", "contains NUL characters: it is UTF-16 or no text"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(data: bytes, kind: str, message: str) -> None:
    with pytest.raises(LineError) as error:
        decoded(data)
    assert (error.value.kind, str(error.value)) == (kind, message)
    with pytest.raises(ValueError) as of_file:  # noqa: PT011
        read(b"good\r\n" + data + b"\nbad \xff\n")
    assert str(of_file.value) == f"a.txt, line 2 {message}"
