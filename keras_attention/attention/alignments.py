"""Alignments: how scores become weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import keras
from keras import ops

from keras_attention.dtypes import at_least_float32, floating
from keras_attention.masking import aligned_mask, masked_softmax
from keras_attention.types import Tensor

if TYPE_CHECKING:
    from keras_attention.attention.base import Memory


class Alignment:
    """Base of all alignments: from scores (B, T, S) to weights of the same shape.

    Call arguments:
        scores: (B, T, S).
        mask: Boolean (B, S), True where a place may be attended, or None for everywhere.
        state: From `initial_state`, or from the step before.

    Returns:
        Weights (B, T, S), zero where nothing may be attended, and the next state.
    """

    is_stateful = False
    """Whether a step's weights depend on those of the step before."""

    def initial_state(self, memory: Memory) -> tuple[Tensor, ...]:
        """The state before the first step: none, where each step stands alone."""
        return ()

    def __call__(
        self, scores: Tensor, mask: Tensor | None, state: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Weigh; see the class."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An alignment like the one that `get_config` described."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Alignment):
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

    def __call__(
        self, scores: Tensor, mask: Tensor | None, state: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Weigh; see `Alignment`."""
        if self.temperature != 1.0:
            scores = scores / self.temperature
        return masked_softmax(scores, mask), state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_attention")
class Hardmax(Alignment):
    """All weight on the place with the largest score, the first of several.

    Formula: `weights_j = 1` for `j = argmax_i score_i`, else 0: what a softmax tends to as its
    temperature falls to zero. It has no gradient to the scores: train with another alignment, which
    has the same weights, and put this in its place.

    Example:
        >>> import keras_attention as ka
        >>> weights, _ = ka.Hardmax()([[[0.2, 1.5, -1.0]]], None)
        >>> weights[0, 0].numpy().tolist()
        [0.0, 1.0, 0.0]
    """

    def __call__(
        self, scores: Tensor, mask: Tensor | None, state: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Weigh; see `Alignment`."""
        scores = floating(scores)
        may = None if mask is None else aligned_mask(mask, scores)
        allowed = scores if may is None else ops.where(may, scores, -float("inf"))
        places = ops.arange(ops.shape(scores)[-1])
        _, best = ops.top_k(allowed, 1)  # Keras's argmax has operations that ONNX has not
        weights = ops.cast(ops.equal(places, ops.cast(best, places.dtype)), scores.dtype)
        return (weights if may is None else ops.where(may, weights, 0.0)), state


@keras.saving.register_keras_serializable(package="keras_attention")
class Sparsemax(Alignment):
    """Weights by the projection of the scores onto the simplex: many are exactly zero.

    Formula: `weights_j = max(score_j - tau, 0)`, with tau so that the weights sum to one; for the
    scores in falling order it is `tau = (score_(1) + ... + score_(k) - 1) / k` with the largest k
    for which `1 + k score_(k) > score_(1) + ... + score_(k)`.

    Computed in at least float32, returned in the type of `scores`.

    Example:
        >>> import keras_attention as ka
        >>> weights, _ = ka.Sparsemax()([[[0.2, 0.6, -1.0]]], None)
        >>> [round(w, 2) for w in weights[0, 0].numpy().tolist()]
        [0.3, 0.7, 0.0]

    Reference: Martins and Astudillo 2016, equations 2 to 4 and algorithm 1.
    """

    def __call__(
        self, scores: Tensor, mask: Tensor | None, state: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Weigh; see `Alignment`."""
        scores = floating(scores)
        dtype = keras.backend.standardize_dtype(scores.dtype)
        may = None if mask is None else aligned_mask(mask, scores)
        z = at_least_float32(scores)
        z = z if may is None else ops.where(may, z, _LOWEST)
        z = z - ops.stop_gradient(ops.max(z, axis=-1, keepdims=True))
        z = ops.maximum(z, _FAR_OUT)
        is_in = z > ops.stop_gradient(_threshold(z))
        count = ops.sum(ops.cast(is_in, z.dtype), axis=-1, keepdims=True)
        tau = (ops.sum(ops.where(is_in, z, 0.0), axis=-1, keepdims=True) - 1.0) / count
        weights = ops.where(is_in, z - tau, 0.0)
        weights = weights if may is None else ops.where(may, weights, 0.0)
        return ops.cast(weights, dtype), state


_LOWEST = -3.4e38
_FAR_OUT = -2.0
"""Of a score beside the largest: from one below it on none has a weight."""


def _threshold(z: Tensor) -> Tensor:
    """Sparsemax's tau, (..., 1), for scores of which the largest is zero."""
    falling = ops.flip(ops.sort(z, axis=-1), axis=-1)
    counts = ops.cast(ops.arange(1, ops.shape(z)[-1] + 1), z.dtype)
    sums = ops.cumsum(falling, axis=-1)
    is_in = ops.cast(1.0 + counts * falling > sums, z.dtype)
    count = ops.sum(is_in, axis=-1, keepdims=True)
    return (ops.sum(is_in * falling, axis=-1, keepdims=True) - 1.0) / count
