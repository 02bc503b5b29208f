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
from keras_attention.losses.tokens import cross_entropy, token_weights
from training.corpora.pairs import Pair
from training.evaluation.metrics import Metric
from training.evaluation.translation import references_by_source
from training.fitting.optimizer import averaged_weights
from training.hosts.cost import Step, report
from training.pictures.heat_maps import plot
from training.program import RunError

Logs = dict[str, Any] | None
_MOST_DRAWN = 64
_WARM, _MEASURED, _MINUTE = 10, 60, 60.0  # steps before timing starts, steps before it is reported


class SeedDropout(keras.callbacks.Callback):
    """Make dropout depend on the seed and the epoch number alone.

    Keras does not save the state of its random generators. Without this callback a resumed training
    would drop different units than an uninterrupted one.

    Args:
        seed: The seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Seed every dropout layer of the model."""
        random = np.random.default_rng([self.seed, epoch])
        for variable in self.model.variables:
            if "seed_generator" in variable.path:
                variable.assign(random.integers(2**32, size=variable.shape, dtype="uint32"))


class Pace(keras.callbacks.Callback):
    """Log target tokens per second instead of the token count, and print the time left.

    The rate covers the training steps only, without validation.

    Args:
        has_bar: Whether a progress bar shows the rate. If not, a line is printed every minute.
    """

    def __init__(self, has_bar: bool) -> None:
        super().__init__()
        self.has_bar = has_bar

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start the clock."""
        self.began = self.told = time.perf_counter()
        self.first: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the epoch's clock and print the time left."""
        self.started, self.epoch = time.perf_counter(), epoch
        self.first = epoch if self.first is None else self.first
        done, epochs = epoch - self.first, self.params["epochs"]
        if done:
            left = _roughly(self.minutes_left(epoch))
            print(f"{epoch} of {epochs} epochs done, {left} left.", flush=True)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Print the progress once a minute; the first steps, which may compile, are not timed."""
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
        """Log the tokens per second."""
        if logs is not None:
            logs["tokens_per_second"] = self.tokens_per_second(logs.pop("tokens"))

    def tokens_per_second(self, tokens: float) -> float:
        """Return the rate, given the number of tokens since the epoch began."""
        return tokens / (time.perf_counter() - self.started)

    def minutes_left(self, epochs: float) -> float:
        """Estimate the minutes left after `epochs` epochs, at the average pace so far."""
        done = epochs - (self.first or 0)
        minutes = (time.perf_counter() - self.began) / 60
        return minutes / done * (self.params["epochs"] - epochs)


def _roughly(minutes: float) -> str:
    return f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"


class TellCost(keras.callbacks.Callback):
    """Print after the first validation what further hosts would bring.

    A step takes the median of the times between the ends of two steps; those that compile are few.
    """

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start to measure."""
        self.ends: list[float] | None = []

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Note the time."""
        if self.ends is not None:
            self.ends.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Print once."""
        if self.ends is not None and len(self.ends) > 1:
            weights = sum(math.prod(variable.shape) for variable in self.model.trainable_variables)
            print(*report(Step(weights, float(np.median(np.diff(self.ends))))), sep="\n")
        self.ends = None


class Bar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, with target tokens per second and the minutes left in total.

    Args:
        pace: The callback that measures them.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start a new bar."""
        self.epoch = epoch
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Update the bar."""
        shown = dict(logs or {})
        shown["tokens_per_second"] = self.pace.tokens_per_second(shown.pop("tokens"))
        done = self.epoch + (batch + 1) / self.target
        shown["minutes_left"] = self.pace.minutes_left(done)
        super().on_train_batch_end(batch, shown)


class Validate(keras.callbacks.Callback):
    """Add the validation loss and a metric of the outputs to the logs, as `val_...`.

    The loss is the cross-entropy per target token, in nats, without label smoothing. The references
    are normalized by the tokenizer first, since the model can write nothing else: the metric of a
    lower-casing model is that on lower-cased text.

    Args:
        translator: A translator with the model that is being trained.
        metric: What the outputs are judged by.
        pairs: Source and target texts; a source with several targets has several references.
        batches: The same pairs, encoded.

    Raises:
        RunError: If the loss is no longer finite.
    """

    def __init__(
        self, translator: Translator, metric: Metric, pairs: Sequence[Pair], batches: Any
    ) -> None:
        super().__init__()
        self.translator = translator
        self.metric = metric
        self.batches = batches
        sources, targets = zip(*pairs, strict=True)
        written = translator.target_tokenizer.normalize(targets)
        self.references = references_by_source(list(zip(sources, written, strict=True)))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compute and log the loss and the score."""
        with averaged_weights(self.model):
            loss = self._loss()
            if not math.isfinite(loss):
                raise RunError(
                    f"The training diverged: the validation loss of epoch {epoch + 1} is {loss}. "
                    "Start a new run with a lower training.learning_rate or training.clip_norm."
                )
            outputs = [result.text for result in self.translator(list(self.references))]
        if logs is not None:
            logs["val_loss"] = loss
            logs[f"val_{self.metric.name}"] = self.metric(outputs, list(self.references.values()))

    def _loss(self) -> float:
        summed = self.model.compiled_function("validation", self._summed_losses)
        arrays = (keras.tree.map_structure(np.asarray, batch) for batch in self.batches)
        sums = [[float(x) for x in summed(*batch)] for batch in arrays]
        return sum(loss for loss, _ in sums) / max(sum(tokens for _, tokens in sums), 1.0)

    def _summed_losses(self, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """Return the summed cross-entropy of a batch and its number of tokens."""
        weights = token_weights(targets)
        losses = cross_entropy(self.model(inputs, training=False), targets)
        return keras.ops.sum(losses * weights), keras.ops.sum(weights)


class DrawAttention(keras.callbacks.Callback):
    """Write attention heat maps of the same sentences to TensorBoard after each epoch.

    Sentences with more than 64 tokens on one side, or whose translation is cut off, as is common
    early in training, are skipped.

    Args:
        translator: A translator with the model that is being trained.
        texts: The sentences.
        logs: TensorBoard's log directory.
    """

    def __init__(self, translator: Translator, texts: Sequence[str], logs: Path) -> None:
        super().__init__()
        self.translator = translator
        self.texts = list(texts)
        self.writer = tf.summary.create_file_writer(str(logs / "attention"))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Draw the heat maps."""
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
