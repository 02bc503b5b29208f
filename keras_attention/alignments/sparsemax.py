"""Sparsemax (Martins and Astudillo 2016)."""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.dtypes import floating
from keras_attention.masking import allowed, defined
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class Sparsemax(Alignment):
    """The projection of the scores onto the simplex, in which many weights are exactly zero.

    Formula: `weights_j = max(score_j - tau, 0)`, where tau makes the weights sum to one; for
    scores in descending order, `tau = (score_(1) + ... + score_(k) - 1) / k` with the largest k
    for which `1 + k score_(k) > score_(1) + ... + score_(k)`.

    Computed in at least float32 and returned in the dtype of `scores`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.Sparsemax()(np.array([[[0.2, 0.6, -1.0]]]))
        >>> [round(w, 2) for w in weights[0, 0].numpy().tolist()]
        [0.3, 0.7, 0.0]

    Reference: Martins and Astudillo 2016, equations 2 to 4 and algorithm 1.
    """

    def align(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        state: State = (),
        *,
        query: Tensor | None = None,
        prepared: tuple[Tensor, ...] = (),
        noise: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Compute the weights; see `Alignment`."""
        dtype = floating(scores).dtype
        scores, may = allowed(scores, value_mask)
        z = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        z = ops.maximum(z, _FAR_OUT)
        is_in = z > ops.stop_gradient(_threshold(z))
        count = ops.sum(ops.cast(is_in, z.dtype), axis=-1, keepdims=True)
        tau = (ops.sum(ops.where(is_in, z, 0.0), axis=-1, keepdims=True) - 1.0) / count
        weights = ops.where(is_in, z - tau, 0.0)
        return ops.cast(defined(weights, scores, may), dtype), state


_FAR_OUT = -2.0
"""Lower bound of scores relative to the largest; from 1 below it, the weight is zero anyway."""


def _threshold(z: Tensor) -> Tensor:
    """Sparsemax's tau, (..., 1), for scores whose maximum is zero."""
    falling = ops.flip(ops.sort(z, axis=-1), axis=-1)
    counts = ops.cast(ops.arange(1, ops.shape(z)[-1] + 1), z.dtype)
    sums = ops.cumsum(falling, axis=-1)
    is_in = ops.cast(1.0 + counts * falling > sums, z.dtype)
    count = ops.sum(is_in, axis=-1, keepdims=True)
    return (ops.sum(is_in * falling, axis=-1, keepdims=True) - 1.0) / count
