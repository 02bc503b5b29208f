"""Around an epoch: seed, measure, validate, keep the best, leave a trace, be ready to resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attention import Seq2Seq, Translator
from keras_attention.backend import compiled
from keras_attention.losses import cross_entropy, token_weights
from keras_attention.runs import RunDirectory
from training.attention_picture import plot
from training.config import OptimizationConfig
from training.corpora import Pair
from training.optimizer import averaged_weights
from training.program import RunError
from training.state import TrainingState, save_whole, sweep, write_whole
from training.tasks import Task
from training.translation import references_by_source

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

    The loss is the cross-entropy of a target token, in nats, without label smoothing. For the score
    targets are compared as the tokenizer normalizes them, the way in which the model can write
    them: that of a lower-cased model is the score of lower-cased text.

    Raises:
        RunError: If the loss is not a number any more.

    Args:
        translator: A translator over the model in training.
        task: Scores the outputs.
        pairs: Source and target texts; a source with several targets has several references.
        batches: The same pairs, encoded.
    """

    def __init__(
        self, translator: Translator, task: Task, pairs: Sequence[Pair], batches: Any
    ) -> None:
        super().__init__()
        self.translator = translator
        self.task = task
        self.batches = batches
        sources, targets = zip(*pairs, strict=True)
        written = translator.target_tokenizer.normalize(targets)
        self.references = references_by_source(list(zip(sources, written, strict=True)))
        self._summed = compiled(self._summed_losses)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Validate."""
        with averaged_weights(self.model):
            loss = self._loss()
            if not math.isfinite(loss):
                raise RunError(
                    f"The training diverged: the validation loss of epoch {epoch + 1} is {loss}. "
                    "A lower training.learning_rate or training.clip_norm may help, in a new run."
                )
            outputs = [result.text for result in self.translator(list(self.references))]
        if logs is not None:
            logs["val_loss"] = loss
            score = self.task.score(outputs, list(self.references.values()))
            logs[f"val_{self.task.metric}"] = score

    def _loss(self) -> float:
        sums = [[float(x) for x in self._summed(*batch)] for batch in self.batches]
        return sum(loss for loss, _ in sums) / max(sum(tokens for _, tokens in sums), 1.0)

    def _summed_losses(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """The summed cross-entropy of a batch, and of how many tokens."""
        weights = token_weights(targets)
        losses = cross_entropy(self.model(inputs, training=False), targets)
        return keras.ops.sum(losses * weights), keras.ops.sum(weights)


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
        save_whole(self.model, self.run.checkpoints / name)
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


def _without_optimizer(model: Seq2Seq) -> Seq2Seq:
    """The same model without its optimizer, whose numbers are twice as many."""
    bare = Seq2Seq(model.config, dtype=model.policy)
    bare.set_weights(model.get_weights())
    return bare
