"""A training that was asked to end does so after the current batch."""

from __future__ import annotations

import signal
from typing import Any

import keras

from programs.interrupts import Interrupt


class StopOnInterrupt(Interrupt, keras.callbacks.Callback):
    """Raise the `KeyboardInterrupt` of a Ctrl-C again after the batch, if it was swallowed.

    A second Ctrl-C ends the process at once.
    """

    def note(self, *_: Any) -> None:
        """Handle SIGINT."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        super().note()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise `KeyboardInterrupt` if it was asked for."""
        self._check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise it also here: others may have ended, for whom this process would wait."""
        self._check()

    def _check(self) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
