"""Tell how far a long translation is."""

from __future__ import annotations

import sys
import time

_SECONDS = 10.0


class Progress:
    """Prints the number of lines every ten seconds; nothing if all is done before.

    Args:
        what: What is said before the numbers.
    """

    def __init__(self, what: str = "") -> None:
        self._what = what
        self._lines = self._lines_told = 0
        self._started = self._told = time.monotonic()

    def add(self, lines: int, what: str | None = None) -> None:
        """Count lines, and print if it is time."""
        self._lines += lines
        self._what = self._what if what is None else what
        if time.monotonic() - self._told >= _SECONDS:
            self._tell()

    def end(self) -> None:
        """Print the last numbers, if it took long."""
        if time.monotonic() - self._started >= _SECONDS:
            self._tell()

    def _tell(self) -> None:
        if self._lines > self._lines_told:
            self._told, self._lines_told = time.monotonic(), self._lines
            pace = self._lines / (self._told - self._started)
            print(f"{self._what}{self._lines:,} lines, {pace:,.0f} a second", file=sys.stderr)
