"""The one masked softmax.

In a mask, True means "may be attended".
"""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.checks import fits
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.types import Tensor

__all__ = [
    "aligned_mask",
    "is_contiguous",
    "masked_softmax",
]

_LOWEST_SCORE = -3.4e38
_LARGEST_FLOAT16 = 65504.0


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn scores into weights over the last axis, with exactly nothing on masked places.

    Formula: `weights_j = exp(score_j) / sum_i exp(score_i)` over the places i that may be attended.

    Computed in at least float32, returned in the type of `scores`. A row with nothing to attend
    gets all zeros (and so a zero context), not an even spread over the padding.

    Args:
        scores: (B, T, S) or (B, S).
        mask: Boolean, of the shape of `scores`, or (B, S) for all T queries alike; None attends
            to every place. True means "may be attended".

    Returns:
        Weights of the shape of `scores`; each row sums to one, or to zero if nothing may be
        attended.

    Raises:
        ValueError: If the shape of `mask` does not fit.

    Example:
        The lecture's shares of "let's" (score -0.41) and "go" (0.01):

        >>> import keras_attention as ka
        >>> print([f"{float(w):.2f}" for w in ka.masking.masked_softmax([[-0.41, 0.01]])[0]])
        ['0.40', '0.60']
    """
    scores = floating(scores)
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype == "float16":  # where a product score overflowed
        scores = ops.clip(scores, -_LARGEST_FLOAT16, _LARGEST_FLOAT16)
    scores = at_least_float32(scores)
    if mask is None:
        return ops.cast(_softmax(scores), dtype)
    mask = aligned_mask(mask, scores)
    weights = _softmax(ops.where(mask, scores, _LOWEST_SCORE))
    return ops.cast(ops.where(mask, weights, 0.0), dtype)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; of a single place, where Keras's warns, the weight is one."""
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)


def is_contiguous(mask: Tensor) -> Tensor:
    """Tell for each row of a mask (B, S) whether its True places form one run, as (B,) booleans.

    Left and right padding are contiguous, a hole is not. A row without any True is contiguous.
    """
    mask = ops.cast(mask, "int32")
    run_starts = ops.concatenate([mask[:, :1], ops.maximum(mask[:, 1:] - mask[:, :-1], 0)], axis=1)
    return ops.sum(run_starts, axis=1) <= 1


def aligned_mask(mask: Tensor, scores: Tensor) -> Tensor:
    """A mask as it can be used beside scores: (B, S) with an axis for the queries.

    Raises:
        ValueError: If the shape of `mask` does not fit.
    """
    mask = ops.cast(mask, "bool")
    shape = tuple(mask.shape)
    if len(shape) == 2 and len(scores.shape) == 3:
        mask = ops.expand_dims(mask, 1)
        expected = (scores.shape[0], 1, scores.shape[2])
    else:
        expected = tuple(scores.shape)
    if not fits(mask.shape, expected):
        raise ValueError(
            "Argument `mask` must have the shape of `scores`, or (batch, source length). "
            f"Received: mask.shape={shape}, scores.shape={tuple(scores.shape)}"
        )
    return mask
