"""Around an epoch: seed, measure, validate, keep the best, leave a trace, be ready to resume."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attention import Seq2Seq, Translator
from keras_attention.runs import RunDirectory
from training.attention_picture import plot
from training.config import OptimizationConfig
from training.corpora import Pair
from training.optimizer import averaged_weights
from training.state import TrainingState, sweep, write_whole
from training.tasks import Task

Logs = dict[str, Any] | None


class SeedDropout(keras.callbacks.Callback):
    """Let what dropout drops in an epoch follow from the seed and the epoch's number alone.

    Keras saves no state of its random numbers, so a resumed training would drop other places.

    Args:
        seed: The seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Seed every dropout of the model."""
        random = np.random.default_rng([self.seed, epoch])
        for variable in self.model.variables:
            if "seed_generator" in variable.path:
                variable.assign(random.integers(2**32, size=variable.shape, dtype="uint32"))


class Pace(keras.callbacks.Callback):
    """Log target tokens per second in the place of their number, and say how much time is left.

    The seconds are those of the steps, without validation; the time left is told with it.
    """

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start the clock."""
        self.began = time.perf_counter()
        self.first: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the epoch's clock, and say what is left."""
        self.started = time.perf_counter()
        self.first = epoch if self.first is None else self.first
        done, epochs = epoch - self.first, self.params["epochs"]
        if done:
            left = (self.started - self.began) / done * (epochs - epoch) / 60
            print(f"{epoch} of {epochs} epochs done, about {left:.0f} min left.", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Log the pace."""
        if logs is not None:
            seconds = time.perf_counter() - self.started
            logs["tokens_per_second"] = logs.pop("tokens") / seconds


class Validate(keras.callbacks.Callback):
    """Add the loss on the validation pairs and the task's score to the logs, as `val_...`.

    Targets are compared as the tokenizer normalizes them, the way in which the model can write
    them: the score of a lower-cased model is that of lower-cased text.

    Args:
        translator: A translator over the model in training.
        task: Scores the outputs.
        pairs: Source and target texts.
        batches: The same pairs, encoded.
    """

    def __init__(
        self, translator: Translator, task: Task, pairs: Sequence[Pair], batches: Any
    ) -> None:
        super().__init__()
        self.translator = translator
        self.task = task
        self.pairs = pairs
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Validate."""
        sources, targets = zip(*self.pairs, strict=True)
        with averaged_weights(self.model):
            loss = self.model.evaluate(self.batches, verbose=0, return_dict=True)["loss"]
            outputs = [result.text for result in self.translator(sources)]
        if logs is not None:
            logs["val_loss"] = loss
            written = self.translator.target_tokenizer.normalize(targets)
            logs[f"val_{self.task.metric}"] = self.task.score(outputs, written)


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
        best = self.state.best
        is_loss = self.by == "val_loss"
        if best is None or (value <= best if is_loss else value >= best):
            self.state.best, self.state.best_epoch = value, epoch + 1
            with averaged_weights(self.model):
                _save_weights_of(self.model, self.run.model_file)
        waited = epoch + 1 - self.state.best_epoch
        if self.patience is not None and waited >= self.patience:
            self.state.is_stopped = True
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
        _save(self.model, self.run.checkpoints / name)
        self.state.epoch, self.state.file = epoch + 1, name
        self.state.write(self.run)
        sweep(self.run, name)

    def _add_metrics(self, epoch: int, line: str) -> None:
        """A line after those of the epochs before: one of a killed attempt is replaced."""
        file = self.run.metrics_file
        before = file.read_text(encoding="utf-8").splitlines()[:epoch] if file.exists() else []
        write_whole(file, "".join(f"{row}\n" for row in [*before, line]))


class DrawAttention(keras.callbacks.Callback):
    """Show TensorBoard where the model looks, for the same sentences after each epoch.

    A sentence whose translation does not come to its end, as those of a young model, is not drawn.

    Args:
        translator: A translator over the model in training.
        texts: The sentences.
        logs: TensorBoard's folder.
    """

    def __init__(self, translator: Translator, texts: Sequence[str], logs: Path) -> None:
        super().__init__()
        self.translator = translator
        self.texts = list(texts)
        self.writer = tf.summary.create_file_writer(str(logs / "attention"))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Draw."""
        with averaged_weights(self.model):
            results = self.translator(self.texts)
        drawn = [r for r in results if r.attention is not None and r.tokens and r.is_complete]
        if not drawn:
            return
        with TemporaryDirectory() as folder:
            file = Path(folder) / "attention.png"
            plot(drawn, file)
            image = tf.io.decode_png(file.read_bytes())
        with self.writer.as_default(step=epoch):
            tf.summary.image("attention", image[tf.newaxis])
        self.writer.flush()


def _save(model: keras.Model, path: Path) -> None:
    partial = path.with_name("partial-" + path.name)
    model.save(partial)
    partial.replace(path)


def _save_weights_of(model: Seq2Seq, path: Path) -> None:
    """Save a model without its optimizer, whose numbers are twice as many."""
    bare = Seq2Seq(model.config, dtype=model.policy)
    bare.set_weights(model.get_weights())
    _save(bare, path)
