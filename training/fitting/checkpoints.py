"""After an epoch: keep the best model, leave a trace, be ready to resume."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import keras

from keras_attention import Seq2Seq
from keras_attention.text.runs import RunDirectory
from training.fitting.optimizer import averaged_weights
from training.fitting.state import TrainingState, save_whole, sweep, write_whole
from training.recipes.config import OptimizationConfig

Logs = dict[str, Any] | None


class KeepBest(keras.callbacks.Callback):
    """Keep the best model, and stop where none comes any more.

    Args:
        run: The run directory.
        state: What is known of the best so far; brought up to date.
        training: Says by what models are compared, and how long to wait for a better one.
        metric: The name of the task's metric in the logs.
    """

    def __init__(
        self, run: RunDirectory, state: TrainingState, training: OptimizationConfig, metric: str
    ) -> None:
        super().__init__()
        self.run = run
        self.state = state
        self.by = "val_loss" if training.select_by == "loss" else metric
        self.patience = training.patience

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compare, keep, and stop."""
        value = float((logs or {})[self.by])
        sign = -1.0 if self.by == "val_loss" else 1.0
        gain = math.inf if self.state.best is None else sign * (value - self.state.best)
        if gain > 0:
            self.state.better_epoch = epoch + 1
        if gain >= 0:
            self.state.best, self.state.best_epoch = value, epoch + 1
            with averaged_weights(self.model):
                save_whole(_without_optimizer(self.model), self.run.model_file)
        waited = epoch + 1 - self.state.better_epoch
        if self.patience is not None and waited >= self.patience:
            self.state.is_finished = True
            self.model.stop_training = True
            print(f"No better {self.by} for {waited} epochs: stopped.")


class LeaveTrace(keras.callbacks.Callback):
    """Leave a checkpoint to resume from and a line of metrics after each epoch.

    Files appear whole or not at all, `state.json` last: a run that is killed can always be resumed,
    and an epoch that it had not finished leaves no trace. `seconds` of a line are those of the
    epoch, validation included.

    Args:
        run: The run directory.
        state: Where the training stands; brought up to date.
    """

    def __init__(self, run: RunDirectory, state: TrainingState) -> None:
        super().__init__()
        self.run = run
        self.state = state
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the files."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        seconds = round(time.perf_counter() - self.started, 1)
        self._add_metrics(epoch, json.dumps({"epoch": epoch + 1, "seconds": seconds, **logs}))
        self.run.checkpoints.mkdir(exist_ok=True)
        name = f"epoch-{epoch + 1:04d}.keras"
        save_whole(self.model, self.run.checkpoints / name)
        self.state.epoch, self.state.file = epoch + 1, name
        self.state.is_finished |= epoch + 1 == self.params["epochs"]
        self.state.write(self.run)
        sweep(self.run, name)

    def _add_metrics(self, epoch: int, line: str) -> None:
        """A line after those of the epochs before: one of a killed attempt is replaced."""
        file = self.run.metrics_file
        before = file.read_text(encoding="utf-8").splitlines()[:epoch] if file.exists() else []
        write_whole(file, "".join(f"{row}\n" for row in [*before, line]))


def _without_optimizer(model: Seq2Seq) -> Seq2Seq:
    """The same model without its optimizer, whose numbers are twice as many."""
    bare = Seq2Seq(model.config, dtype=model.policy)
    bare.set_weights(model.get_weights())
    return bare
