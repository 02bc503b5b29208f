"""Save the best model, and after each epoch a checkpoint to resume from."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import keras

from keras_attention import Seq2Seq
from keras_attention.files import write
from keras_attention.text.runs import RunDirectory
from training.evaluation.metrics import Metric
from training.fitting.optimizer import averaged_weights
from training.fitting.state import TrainingState, save_whole, sweep
from training.recipes.config import OptimizationConfig

Logs = dict[str, Any] | None


class KeepBest(keras.callbacks.Callback):
    """Save the best model, and stop the training when no better one follows.

    Args:
        run: The run directory.
        state: The training state with the best value so far; updated in place.
        training: Provides `select_by`, the value to compare models by, and `patience`.
        metric: The task's metric.
    """

    def __init__(
        self, run: RunDirectory, state: TrainingState, training: OptimizationConfig, metric: Metric
    ) -> None:
        super().__init__()
        self.run = run
        self.state = state
        by_loss = training.select_by == "loss"
        self.by = "val_loss" if by_loss else f"val_{metric.name}"
        self.sign = -1.0 if by_loss or metric.is_error else 1.0
        self.patience = training.patience

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compare with the best model so far; save the model, or stop the training."""
        value = float((logs or {})[self.by])
        gain = math.inf if self.state.best is None else self.sign * (value - self.state.best)
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
            print(f"Stopped: {self.by} has not improved for {waited} epochs.")


class LeaveTrace(keras.callbacks.Callback):
    """Write a checkpoint and a line of metrics after each epoch.

    Each file is replaced atomically, `state.json` last. A killed run can therefore always be
    resumed, and an unfinished epoch leaves no trace. `seconds` in a line of metrics is the duration
    of the epoch, including validation.

    Args:
        run: The run directory.
        state: The training state; updated in place.
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
        name = f"epoch-{epoch + 1:04d}.keras"
        save_whole(self.model, self.run.checkpoints / name)
        self.state.epoch, self.state.file = epoch + 1, name
        self.state.is_finished |= epoch + 1 == self.params["epochs"]
        self.state.write(self.run)
        sweep(self.run, name)

    def _add_metrics(self, epoch: int, line: str) -> None:
        """Append a line after those of earlier epochs; replace one that a killed attempt left."""
        file = self.run.metrics_file
        before = file.read_text(encoding="utf-8").splitlines()[:epoch] if file.exists() else []
        write(file, "".join(f"{row}\n" for row in [*before, line]))


def _without_optimizer(model: Seq2Seq) -> Seq2Seq:
    """Return a copy of the model without its optimizer, which is twice as large as the weights."""
    bare = Seq2Seq(model.config, dtype=model.policy)
    bare.set_weights(model.get_weights())
    return bare
