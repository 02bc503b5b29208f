"""Around an epoch: seed, validate, keep the best, leave a trace, be ready to resume."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attention import Translator
from keras_attention.runs import RunDirectory
from training.corpora import Pair
from training.tasks import Task


class Validate(keras.callbacks.Callback):
    """Translate the validation pairs and add the task's score to the logs, as `val_METRIC`.

    Args:
        translator: A translator over the model in training.
        task: Scores the outputs.
        pairs: Source and target texts.
    """

    def __init__(self, translator: Translator, task: Task, pairs: Sequence[Pair]) -> None:
        super().__init__()
        self.translator = translator
        self.task = task
        self.pairs = pairs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate."""
        sources, targets = zip(*self.pairs, strict=True)
        outputs = [result.text for result in self.translator(sources)]
        if logs is not None:
            logs[f"val_{self.task.metric}"] = self.task.score(outputs, targets)


class SeedDropout(keras.callbacks.Callback):
    """Let what dropout drops in an epoch follow from the seed and the epoch's number alone.

    Keras saves no state of its random numbers, so a resumed training would drop other places.

    Args:
        seed: The seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed every dropout of the model."""
        random = np.random.default_rng([self.seed, epoch])
        for variable in self.model.variables:
            if "seed_generator" in variable.path:
                variable.assign(random.integers(2**32, size=variable.shape, dtype="uint32"))


class LeaveTrace(keras.callbacks.Callback):
    """Keep the best model, a checkpoint to resume from, and a line of metrics for each epoch.

    Files appear whole or not at all, `state.json` last: a run that is killed can always be resumed,
    and an epoch that it had not finished leaves no trace. `seconds` of a line are those of the
    epoch, validation included.

    Args:
        run: The run directory.
        metric: What the best model has most of.
        best: The best value of the metric so far.
    """

    def __init__(self, run: RunDirectory, metric: str, best: float = -1.0) -> None:
        super().__init__()
        self.run = run
        self.metric = metric
        self.best = best
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the files."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if logs[self.metric] >= self.best:
            self.best = logs[self.metric]
            _save(self.model, self.run.model_file)
        seconds = round(time.perf_counter() - self.started, 1)
        self._add_metrics(epoch, json.dumps({"epoch": epoch + 1, "seconds": seconds, **logs}))
        self.run.checkpoints.mkdir(exist_ok=True)
        name = f"epoch-{epoch + 1:04d}.keras"
        _save(self.model, self.run.checkpoints / name)
        state = {"epoch": epoch + 1, "best": self.best, "file": name}
        write_whole(self.run.checkpoints / "state.json", json.dumps(state))
        sweep(self.run, name)

    def _add_metrics(self, epoch: int, line: str) -> None:
        """A line after those of the epochs before: one of a killed attempt is replaced."""
        file = self.run.metrics_file
        before = file.read_text(encoding="utf-8").splitlines()[:epoch] if file.exists() else []
        write_whole(file, "".join(f"{row}\n" for row in [*before, line]))


def sweep(run: RunDirectory, checkpoint: str | None) -> None:
    """Remove partial files, and all checkpoints but the one of that name."""
    partial = [*run.path.glob("partial-*"), *run.checkpoints.glob("partial-*")]
    for file in {*partial, *run.checkpoints.glob("*.keras")}:
        if file.name != checkpoint:
            file.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whenever the program is killed."""
    partial = path.with_name("partial-" + path.name)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _save(model: keras.Model, path: Path) -> None:
    partial = path.with_name("partial-" + path.name)
    model.save(partial)
    partial.replace(path)
