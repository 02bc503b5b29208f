"""The end of an epoch: validate, keep the best, leave a trace, be ready to resume."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_attention import Translator
from keras_attention.runs import RunDirectory
from training.tasks import Pair

METRIC = "val_exact_match"


class Validate(keras.callbacks.Callback):
    """Translate the validation pairs and add `val_exact_match` to the logs.

    Args:
        translator: A translator over the model in training.
        pairs: Source and target texts.
    """

    def __init__(self, translator: Translator, pairs: Sequence[Pair]) -> None:
        super().__init__()
        self.translator = translator
        self.pairs = pairs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate."""
        results = self.translator([source for source, _ in self.pairs])
        right = [r.text == target for r, (_, target) in zip(results, self.pairs, strict=True)]
        if logs is not None:
            logs[METRIC] = sum(right) / len(right)


class LeaveTrace(keras.callbacks.Callback):
    """Keep the best model, a checkpoint to resume from, and a line of metrics for each epoch.

    Files appear whole or not at all: a run that is killed can always be resumed.

    Args:
        run: The run directory.
        best: The best value of the metric so far.
    """

    def __init__(self, run: RunDirectory, best: float = -1.0) -> None:
        super().__init__()
        self.run = run
        self.best = best
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the files."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if logs[METRIC] >= self.best:
            self.best = logs[METRIC]
            _save(self.model, self.run.model_file)
        seconds = round(time.perf_counter() - self.started, 1)
        line = json.dumps({"epoch": epoch + 1, "seconds": seconds, **logs})
        with self.run.metrics_file.open("a", encoding="utf-8") as metrics:
            metrics.write(line + "\n")
        self.run.checkpoints.mkdir(exist_ok=True)
        name = f"epoch-{epoch + 1:04d}.keras"
        _save(self.model, self.run.checkpoints / name)
        state = {"epoch": epoch + 1, "best": self.best, "file": name}
        write_whole(self.run.checkpoints / "state.json", json.dumps(state))
        for old in self.run.checkpoints.glob("epoch-*.keras"):
            if old.name != name:
                old.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whenever the program is killed."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _save(model: keras.Model, path: Path) -> None:
    partial = path.with_name("partial-" + path.name)
    model.save(partial)
    partial.replace(path)
