"""The devices that a model is trained on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import keras
import tensorflow as tf

from training.hosts.processes import Processes, joined
from training.program import ConfigError
from training.recipes.config import OptimizationConfig


def _nothing(model: keras.Model) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Devices:
    """The devices that share each batch.

    Attributes:
        processes: The processes that they belong to.
        count: The number of devices of this process.
        scope: Returns the context in which the model is made.
        attach: Makes a compiled model train on these devices.
        collect: After an epoch, makes the model's variables those of this process alone.
    """

    processes: Processes
    count: int
    scope: Callable[[], AbstractContextManager[object]] = nullcontext
    attach: Callable[[keras.Model], None] = _nothing
    collect: Callable[[keras.Model], None] = _nothing

    @property
    def can_have_more_hosts(self) -> bool:
        """Whether this is one process of a kind that can be one of several."""
        return keras.backend.backend() == "jax" and self.processes.count == 1

    @property
    def total(self) -> int:
        """The number of devices of all processes."""
        return self.count * self.processes.count


def devices_of(training: OptimizationConfig) -> Devices:
    """Return the devices for `training.devices`, and join the other processes if there are any.

    `"one"` uses a single device of each process, `"all"` all of its GPUs, or all of its CPU devices
    if there is no GPU. Each device reads its share of a batch.

    On TensorFlow, there is one process, and the gradients of the devices are averaged. If all
    shares have the same number of tokens, the step equals that of one device; otherwise tokens in
    a smaller share weigh slightly more. Keras clips the gradient of each device before averaging,
    and all of them use the same dropout mask for their shares. On JAX, the step is that of one
    device; see `training.hosts.step`.

    Raises:
        ConfigError: If there are several devices on TensorFlow and `jit_compile` is true, which
            Keras does not support, or `dtype` is float16, for which Keras detects overflow in the
            first copy only; or on JAX with scheduled sampling, which does not train there.
    """
    processes = joined()
    if keras.backend.backend() == "jax":
        return _on_jax(training, processes)
    if training.devices == "one":
        return Devices(processes, 1)
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
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return Devices(processes, len(devices), strategy.scope)


def _on_jax(training: OptimizationConfig, processes: Processes) -> Devices:
    import jax

    from training.hosts.step import from_first, to_own_device, train_function

    if training.scheduled_sampling.schedule is not None:
        raise ConfigError(
            "Key `training.scheduled_sampling.schedule`: must be null on JAX. "
            f"Received: {training.scheduled_sampling.schedule!r}"
        )
    tf.config.set_visible_devices([], "GPU")  # TensorFlow only reads text, JAX needs the memory
    count = 1 if training.devices == "one" else jax.local_device_count()
    used = [
        device
        for index in range(processes.count)
        for device in jax.local_devices(process_index=index)[:count]
    ]

    def attach(model: keras.Model) -> None:
        if processes.count > 1:
            from_first(model)
        model.train_function = train_function(model, used)

    return Devices(processes, count, attach=attach, collect=to_own_device)
