"""On which devices a model is trained."""

from __future__ import annotations

import tensorflow as tf

from training.config import OptimizationConfig
from training.program import ConfigError


def strategy_of(training: OptimizationConfig) -> tf.distribute.Strategy:
    """One device, or every GPU (every CPU device, where there is no GPU) with a copy of the model.

    Each copy reads its share of a batch, and takes the mean of all copies' gradients: with as many
    tokens in each share the step is that of one device, otherwise those of a smaller share count
    a little more.

    Raises:
        ConfigError: If several devices are to run a step that XLA compiles, which Keras cannot.
    """
    if training.devices == "one":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1 and training.jit_compile:
        raise ConfigError(
            "Key `training.jit_compile`: must be false on several devices. "
            f"Received: training.jit_compile=True on {len(devices)} devices"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])
