"""Show what others wrote: control characters as escapes, values short."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SHOWN = 60
_CONTROL = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, lines: bool = False) -> str:
    r"""Show control characters as escapes, for text of other people that a terminal would obey.

    These are the control characters but tabs, the characters that reorder text (U+202A to U+202E
    and U+2066 to U+2069), and halves of surrogate pairs. All else stays: combining marks, emoji,
    and what is written from right to left. JSON keeps its value.

    Args:
        text: The text.
        lines: Whether it has lines, so that line feeds stay.

    Example:
        >>> print(printable("\x1b[2JMärz\nשלום"))
        \u001b[2JMärz\u000aשלום
    """
    if lines:
        return "\n".join(map(printable, text.split("\n")))
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(error: BaseException) -> str:
    """The message of an error, short and in one line; its type if it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def key_shown(key: Any) -> str:
    """A key for a message: as it is, if it looks like one."""
    return key if isinstance(key, str) and key.isidentifier() and len(key) <= _SHOWN else shown(key)


def shown(value: Any) -> str:
    """A value for a message: short, and without control characters, as `repr` shows text."""
    if isinstance(value, Mapping | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return shortened(repr(value))


def shortened(text: str) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
