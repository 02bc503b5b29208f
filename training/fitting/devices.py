"""The devices that a model is trained on."""

from __future__ import annotations

import tensorflow as tf

from training.program import ConfigError
from training.recipes.config import OptimizationConfig


def strategy_of(training: OptimizationConfig) -> tf.distribute.Strategy:
    """Return the distribution strategy for `training.devices`.

    `"one"` uses a single device. `"all"` puts a copy of the model on every GPU, or on every CPU
    device if there is no GPU. Each copy reads its share of a batch, and the gradients of the copies
    are averaged. If all shares have the same number of tokens, the step equals that of one device;
    otherwise tokens in a smaller share weigh slightly more. Keras clips the gradient of each copy
    before averaging, and all copies use the same dropout mask for their shares.

    Raises:
        ConfigError: If there are several devices and `jit_compile` is true, which Keras does not
            support, or `dtype` is float16, for which Keras detects overflow in the first copy only.
    """
    if training.devices == "one":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) > 1 and training.jit_compile is True:
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
