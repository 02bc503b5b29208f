"""Around an epoch: seed, measure, validate, draw."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attention import Translator
from keras_attention.backend import compiled
from keras_attention.losses import cross_entropy, token_weights
from training.corpora.pairs import Pair
from training.evaluation.translation import references_by_source
from training.fitting.optimizer import averaged_weights
from training.fitting.tasks import Task
from training.pictures.heat_maps import plot
from training.program import RunError

Logs = dict[str, Any] | None
_MOST_DRAWN = 64
_WARM, _MEASURED, _MINUTE = 10, 60, 60.0  # the pace is measured from the one step to the other


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
    """Log target tokens per second instead of their number, and say how much time is left.

    The seconds are those of the steps, without validation; the time left follows from them.

    Args:
        has_bar: Whether a bar shows it. Where none does, as in a log, a line a minute says it.
    """

    def __init__(self, has_bar: bool) -> None:
        super().__init__()
        self.has_bar = has_bar

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start the clock."""
        self.began = self.told = time.perf_counter()
        self.first: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the epoch's clock, and say what is left."""
        self.started, self.epoch = time.perf_counter(), epoch
        self.first = epoch if self.first is None else self.first
        done, epochs = epoch - self.first, self.params["epochs"]
        if done:
            left = _roughly(self.minutes_left(epoch))
            print(f"{epoch} of {epochs} epochs done, {left} left.", flush=True)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Say once a minute how far it is; the first steps, which may compile, are no measure."""
        now = time.perf_counter()
        if batch == _WARM:
            self.warm = now
        if self.has_bar or batch < _MEASURED or now < self.told + _MINUTE:
            return
        self.told = now
        seconds, steps = (now - self.warm) / (batch - _WARM), self.params["steps"]
        left = steps * (self.params["epochs"] - self.epoch) - batch - 1
        print(
            f"Step {batch + 1:,} of {steps:,}: {seconds:.2f} s a step, "
            f"{_roughly(seconds * left / 60)} left.",
            flush=True,
        )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Log the pace."""
        if logs is not None:
            logs["tokens_per_second"] = self.tokens_per_second(logs.pop("tokens"))

    def tokens_per_second(self, tokens: float) -> float:
        """The pace of so many tokens since the epoch began."""
        return tokens / (time.perf_counter() - self.started)

    def minutes_left(self, epochs: float) -> float:
        """How long the rest takes, if it goes on as since the beginning, after so many epochs."""
        done = epochs - (self.first or 0)
        minutes = (time.perf_counter() - self.began) / 60
        return minutes / done * (self.params["epochs"] - epochs)


def _roughly(minutes: float) -> str:
    return f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"


class Bar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, with target tokens per second and minutes left in all.

    Args:
        pace: Knows them.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start a bar."""
        self.epoch = epoch
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Bring the bar up to date."""
        shown = dict(logs or {})
        shown["tokens_per_second"] = self.pace.tokens_per_second(shown.pop("tokens"))
        done = self.epoch + (batch + 1) / self.target
        shown["minutes_left"] = self.pace.minutes_left(done)
        super().on_train_batch_end(batch, shown)


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


class DrawAttention(keras.callbacks.Callback):
    """Show TensorBoard where the model looks, for the same sentences after each epoch.

    A sentence whose translation does not come to its end, as those of a young model, is not drawn;
    nor is one of more than 64 tokens on a side.

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
        drawn = [
            r
            for r in results
            if r.attention is not None
            and r.is_complete
            and 0 < len(r.tokens) <= _MOST_DRAWN
            and len(r.source_tokens) <= _MOST_DRAWN
        ]
        if not drawn:
            return
        with TemporaryDirectory() as folder:
            file = Path(folder) / "attention.png"
            plot(drawn, file)
            image = tf.io.decode_png(file.read_bytes())
        with self.writer.as_default(step=epoch):
            tf.summary.image("attention", image[tf.newaxis])
        self.writer.flush()
