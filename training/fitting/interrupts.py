"""Ctrl-C that cannot get lost: a training that was asked to end does so after the current batch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

import keras


class StopOnInterrupt(keras.callbacks.Callback):
    """Raise the `KeyboardInterrupt` of a Ctrl-C again after the batch, if it was swallowed.

    Python raises it wherever the program happens to be. In a callback from C, such as the hook that
    JAX has in the garbage collector, or in a `__del__`, it is printed and forgotten; TensorFlow and
    Keras may turn it into an error of their own.

    Attributes:
        is_asked: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise `KeyboardInterrupt` if it was asked for."""
        self.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise it also here: others may have ended, for whom this process would wait."""
        self.check()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if it was asked for."""
        if self.is_asked:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note a Ctrl-C, besides raising `KeyboardInterrupt`; a second one ends the process.

        Every error that follows a Ctrl-C, and an end in spite of it, become `KeyboardInterrupt`. If
        SIGINT is ignored or handled by somebody else, or the thread is not the main one, nothing
        changes.
        """
        if not _is_usual():
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        except Exception as error:
            if self.is_asked:
                raise KeyboardInterrupt from error
            raise
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.check()

    def _note(self, *_: Any) -> None:
        self.is_asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt


def _is_usual() -> bool:
    is_main = current_thread() is main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
