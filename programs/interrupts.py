"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any


class Interrupt:
    """Notes a Ctrl-C, which Python raises wherever the program happens to be.

    In a callback from C, such as the hook that JAX has in the garbage collector, or in a `__del__`,
    it is printed and forgotten; TensorFlow and Keras may turn it into an error of their own.

    Attributes:
        is_asked: Whether Ctrl-C was pressed.
    """

    is_asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note a Ctrl-C, besides raising `KeyboardInterrupt`, which any error after it becomes.

        If SIGINT is ignored or handled by somebody else, or the thread is not the main one, nothing
        changes.
        """
        before = signal.getsignal(signal.SIGINT)
        if current_thread() is not main_thread() or not _is_usual(before):
            yield
            return
        signal.signal(signal.SIGINT, self.note)
        try:
            yield
        except Exception as error:
            if self.is_asked:
                raise KeyboardInterrupt from error
            raise
        finally:
            signal.signal(signal.SIGINT, before)

    def note(self, *_: Any) -> None:
        """Handle SIGINT."""
        self.is_asked = True
        raise KeyboardInterrupt


def _is_usual(handler: Any) -> bool:
    """Return whether a handler is Python's own, or an `Interrupt` that listens around this one."""
    is_ours = isinstance(getattr(handler, "__self__", None), Interrupt)
    return is_ours or handler is signal.default_int_handler
