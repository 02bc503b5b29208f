"""Scheduled sampling: how often training feeds the decoder the true token, by training step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from keras_attention.checks import check_fraction, check_not_negative
from keras_attention.types import Tensor

__all__ = [
    "Exponential",
    "InverseSigmoid",
    "Linear",
    "Schedule",
]


class Schedule:
    """Base class of all schedules: maps a training step to a probability.

    Call arguments:
        step: i, counted from 0; an integer tensor or number.

    Returns:
        epsilon_i, the probability that a decoder step receives the true token: a float32 tensor of
        the shape of `step`.

    Example:
        A schedule of your own, all true tokens for 1,000 steps and half of them from then on:

        >>> import keras_attention as ka
        >>> class Jump(ka.schedules.Schedule):
        ...     def __call__(self, step):
        ...         return 1.0 if step < 1000 else 0.5
        >>> [Jump()(step) for step in (0, 999, 1000)]
        [1.0, 1.0, 0.5]
    """

    def __call__(self, step: Tensor) -> Tensor:
        """Return the probability at a step."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Schedule:
        """Create a schedule from the result of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class Linear(Schedule):
    """Linear decay.

    Formula: `epsilon_i = max(minimum, k - c i)`, at most 1.

    Args:
        c: Decrease per step; 0 keeps the probability at k.
        k: Offset, the probability at step 0; the probability never exceeds 1.
        minimum: Lower bound of the probability, at least 0 and below 1.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import keras_attention as ka
        >>> [float(ka.schedules.Linear(c=0.25, minimum=0.5)(step)) for step in (0, 1, 2, 3)]
        [1.0, 0.75, 0.5, 0.5]

    Reference: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4.
    """

    c: float
    k: float = 1.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("c", self.c)
        _check("k", self.k, self.k > 0, "be above 0")
        check_fraction("minimum", self.minimum)

    def __call__(self, step: Tensor) -> Tensor:
        """`max(minimum, k - c i)`."""
        return ops.clip(self.k - self.c * ops.cast(step, "float32"), self.minimum, 1.0)


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class Exponential(Schedule):
    """Exponential decay.

    Formula: `epsilon_i = k^i`.

    Args:
        k: Above 0 and below 1; 0.9999 halves the probability every 6,931 steps.

    Raises:
        ValueError: If `k` is out of range.

    Example:
        >>> import keras_attention as ka
        >>> [float(ka.schedules.Exponential(k=0.5)(step)) for step in (0, 1, 2)]
        [1.0, 0.5, 0.25]

    Reference: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4.
    """

    k: float

    def __post_init__(self) -> None:
        _check("k", self.k, 0 < self.k < 1, "be above 0 and below 1")

    def __call__(self, step: Tensor) -> Tensor:
        """`k^i`."""
        return ops.power(ops.convert_to_tensor(self.k, "float32"), ops.cast(step, "float32"))


@keras.saving.register_keras_serializable(package="keras_attention")
@dataclass(frozen=True)
class InverseSigmoid(Schedule):
    """Inverse sigmoid decay: slow at first, then fast, then slow again.

    Formula: `epsilon_i = k / (k + exp(i / k))`, which is one half at `i = k log k`.

    Args:
        k: At least 1; 500 brings the probability to one half after 3,107 steps.

    Raises:
        ValueError: If `k` is out of range.

    Example:
        >>> import keras_attention as ka
        >>> round(float(ka.schedules.InverseSigmoid(k=500)(3107)), 3)
        0.5

    Reference: Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4.
    """

    k: float

    def __post_init__(self) -> None:
        _check("k", self.k, 1 <= self.k < float("inf"), "be at least 1")

    def __call__(self, step: Tensor) -> Tensor:
        """`sigmoid(log k - i / k)`, the same function without overflow."""
        offset = ops.log(ops.convert_to_tensor(self.k, "float32"))
        return ops.sigmoid(offset - ops.cast(step, "float32") / self.k)


def check_schedule(schedule: Any) -> None:
    """Raise `TypeError` unless `schedule` is a `Schedule`."""
    if not isinstance(schedule, Schedule):
        raise TypeError(
            "Argument `schedule` must be a schedule from keras_attention.schedules. "
            f"Received: schedule={schedule!r}"
        )


def _check(name: str, value: float, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ValueError(f"Argument `{name}` must {expected}. Received: {name}={value}")
