"""Alignments: how scores become weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from keras_attention.masking import masked_softmax
from keras_attention.types import Tensor

if TYPE_CHECKING:
    from keras_attention.attention.base import Memory


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax:
    """Weights by a softmax over the places that may be attended.

    Formula: `weights = softmax(scores / temperature)`, see `keras_attention.masking`.

    Args:
        temperature: Positive number; below 1 sharpens, above 1 flattens.

    Raises:
        ValueError: If `temperature` is not positive.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        if not temperature > 0:
            raise ValueError(
                f"Argument `temperature` must be positive. Received: temperature={temperature}"
            )
        self.temperature = temperature

    is_stateful = False
    """Whether a step's weights depend on those of the step before."""

    def initial_state(self, memory: Memory) -> tuple[Tensor, ...]:
        """The state before the first step: none, each step stands alone."""
        return ()

    def __call__(
        self, scores: Tensor, mask: Tensor | None, state: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Weights for scores (B, T, S) under a mask (B, S), and the next state."""
        if self.temperature != 1.0:
            scores = scores / self.temperature
        return masked_softmax(scores, mask), state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"temperature": self.temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Softmax:
        """An alignment like the one that `get_config` described."""
        return cls(**config)
