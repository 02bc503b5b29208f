"""On which devices a model is trained."""

from __future__ import annotations

import tensorflow as tf

from training.program import ConfigError
from training.recipes.config import OptimizationConfig


def strategy_of(training: OptimizationConfig) -> tf.distribute.Strategy:
    """One device, or every GPU (every CPU device, where there is no GPU) with a copy of the model.

    Each copy reads its share of a batch, and the copies take the mean of their gradients: with as
    many tokens in each share the step is that of one device, otherwise those of a smaller share
    count a little more. Keras clips the gradient of each copy before that, and all copies drop the
    same places of their shares.

    Raises:
        ConfigError: If several devices are to run a step that XLA compiles, which Keras cannot, or
            compute in float16, where Keras looks for overflow in the first copy alone.
    """
    if training.devices == "one":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1 and training.jit_compile:
        raise ConfigError(
            "Key `training.jit_compile`: must be false on several devices. "
            f"Received: training.jit_compile=True on {len(devices)} devices"
        )
    if len(devices) > 1 and training.dtype == "mixed_float16":
        raise ConfigError(
            "Key `training.dtype`: must be float32 or mixed_bfloat16 on several devices. "
            f"Received: training.dtype={training.dtype!r} on {len(devices)} devices"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])
