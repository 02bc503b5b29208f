"""The compiled model: its optimizer, learning rate schedule and weight average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import ops

import keras_attention as ka
from keras_attention.text.archives import load_run_model
from training.recipes.config import OptimizationConfig, TrainConfig


def compiled_model(config: TrainConfig) -> ka.Seq2Seq:
    """Return a new model, compiled for `fit`."""
    training = config.training
    model = _new_model(config)
    model.compile(
        optimizer=optimizer_of(training),
        loss=ka.losses.MaskedCrossEntropy(label_smoothing=training.label_smoothing),
        metrics=[ka.metrics.MaskedAccuracy(name="accuracy"), TokenCount(name="tokens")],
        jit_compile=training.jit_compile,
    )
    decay_matrices_alone(model)
    # Otherwise the first step creates the optimizer's variables, and TensorFlow traces it twice.
    model.optimizer.build(model.trainable_variables)
    return model


def _new_model(config: TrainConfig) -> ka.Seq2Seq:
    training, sampling = config.training, config.training.scheduled_sampling
    schedule = sampling.made()
    if schedule is None:
        return ka.Seq2Seq(config.model, dtype=training.dtype)
    return ka.model.ScheduledSampling(
        config.model, schedule, sampling.temperature, training.seed, dtype=training.dtype
    )


def loaded_model(file: Path) -> ka.Seq2Seq:
    """Return the model of a checkpoint, ready to continue with `fit`."""
    model = load_run_model(file)
    decay_matrices_alone(model)
    return model


class _InOnePass(keras.optimizers.Optimizer):
    """An optimizer that reads and writes each weight only once per step.

    In Keras, clipping, the moments, the weights and their average are separate operations, each of
    which goes over all weights and is bound by memory bandwidth. XLA fuses them into one loop. This
    applies to traced training steps only: in eager mode XLA would compile every step again.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables; takes the same arguments as in Keras."""
        apply = super().apply
        if not self.built or tf.executing_eagerly() or tf.distribute.has_strategy():
            apply(grads, trainable_variables)
            return
        # A sparse embedding gradient updates the moments of all rows anyway, so make it dense.
        whole = [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]
        update = tf.function(
            lambda grads: apply(grads, trainable_variables), jit_compile=True, autograph=False
        )
        update(whole)


class _AveragesFromTheStart(keras.optimizers.Optimizer):
    """A moving average of the weights w that is useful after only a few steps.

    Formula: `average = m_t average + (1 - m_t) w` with `m_t = min(ema_momentum, t / (t + 9))` after
    t steps. It covers about the last tenth of the steps until `m_t` reaches `ema_momentum`. Keras's
    average retains the initial weights for thousands of steps.
    """

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        if not self.use_ema:
            return
        step = ops.cast(self.iterations, "float32")
        momentum = ops.minimum(self.ema_momentum, step / (step + 9.0))
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            average.assign(momentum * average + (1.0 - momentum) * variable)


@keras.saving.register_keras_serializable(package="training")
class Adam(_InOnePass, _AveragesFromTheStart, keras.optimizers.Adam):
    """Adam with a weight average that is useful from the start."""


@keras.saving.register_keras_serializable(package="training")
class AdamW(_InOnePass, _AveragesFromTheStart, keras.optimizers.AdamW):
    """AdamW with a weight average that is useful from the start."""


def optimizer_of(training: OptimizationConfig) -> keras.optimizers.Optimizer:
    """Return Adam, or AdamW if `weight_decay` is set, with a weight average if requested."""
    options = {
        "learning_rate": learning_rate(training),
        "global_clipnorm": training.clip_norm,
        "use_ema": training.average_decay > 0,
        "ema_momentum": training.average_decay,
    }
    if not training.weight_decay:
        return Adam(**options)
    return AdamW(weight_decay=training.weight_decay, **options)


def decay_matrices_alone(model: keras.Model) -> None:
    """Exclude biases and other vectors from weight decay; Keras does not save this setting."""
    vectors = [variable for variable in model.trainable_variables if len(variable.shape) < 2]
    _inner(model).exclude_from_weight_decay(var_list=vectors)


def learning_rate(training: OptimizationConfig) -> keras.optimizers.schedules.CosineDecay:
    """Return the schedule: linear warm-up from 0, then cosine decay to 0."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(training.steps - training.warmup_steps, 1),
        warmup_target=training.learning_rate,
        warmup_steps=training.warmup_steps,
    )


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Replace the weights by the optimizer's moving average, if it keeps one.

    On exit the weights are restored exactly.
    """
    optimizer = _inner(model)
    if not optimizer.use_ema or not optimizer.built:
        yield
        return
    variables = model.trainable_variables
    own = [ops.convert_to_numpy(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


@keras.saving.register_keras_serializable(package="training")
class TokenCount(keras.metrics.Sum):
    """The number of target tokens seen, without padding."""

    def update_state(
        self, y_true: ka.types.Tensor, y_pred: ka.types.Tensor, sample_weight: object = None
    ) -> None:
        """Add the tokens of a batch."""
        super().update_state(ops.cast(ops.not_equal(y_true, 0), "float32"))


def _inner(model: keras.Model) -> keras.optimizers.Optimizer:
    """Return the optimizer without the loss-scaling wrapper of half precision."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
