"""Masks, and the one masked softmax of the package.

True in a mask means "may be attended to".
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
    """Turn scores into weights over the last axis; masked positions get exactly zero.

    Formula: `weights_j = exp(score_j) / sum_i exp(score_i)` over the positions i that may be
    attended to.

    Computed in at least float32 and returned in the dtype of `scores`. A fully masked row gets all
    zeros, and so a zero context, instead of a uniform distribution over the padding.

    Args:
        scores: (B, T, S) or (B, S).
        mask: Boolean, of the shape of `scores`, or (B, S) to share one mask among all T queries.
            True means "may be attended to"; None allows every position.

    Returns:
        Weights of the shape of `scores`. Each row sums to one, or to zero if it is fully masked.

    Raises:
        ValueError: If the shape of `mask` does not match.

    Example:
        The lecture's weights of "let's" (score -0.41) and "go" (0.01):

        >>> import keras_attention as ka
        >>> print([f"{float(w):.2f}" for w in ka.masking.masked_softmax([[-0.41, 0.01]])[0]])
        ['0.40', '0.60']
    """
    scores = floating(scores)
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype == "float16":  # a product score may have overflowed
        scores = ops.clip(scores, -_LARGEST_FLOAT16, _LARGEST_FLOAT16)
    scores = at_least_float32(scores)
    if mask is None:
        return ops.cast(_softmax(scores), dtype)
    mask = aligned_mask(mask, scores)
    weights = _softmax(ops.where(mask, scores, _LOWEST_SCORE))
    return ops.cast(ops.where(mask, weights, 0.0), dtype)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; one for a single position, where Keras's softmax warns."""
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)


def is_contiguous(mask: Tensor) -> Tensor:
    """Check, row by row, whether the True positions of a mask form one uninterrupted run.

    A row that is padded on the left or right is contiguous; a row with a gap is not. A row without
    any True counts as contiguous.

    Args:
        mask: Boolean (B, S).

    Returns:
        Boolean (B,).

    Example:
        Padding on the right, padding on the left, a gap:

        >>> import keras_attention as ka
        >>> mask = [[True, True, False], [False, True, True], [True, False, True]]
        >>> ka.masking.is_contiguous(mask).numpy().tolist()
        [True, True, False]
    """
    mask = ops.cast(mask, "int32")
    run_starts = ops.concatenate([mask[:, :1], ops.maximum(mask[:, 1:] - mask[:, :-1], 0)], axis=1)
    return ops.sum(run_starts, axis=1) <= 1


def aligned_mask(mask: Tensor, scores: Tensor) -> Tensor:
    """Reshape a mask so that it broadcasts against scores.

    Args:
        mask: Boolean, of the shape of `scores`, or (B, S) to share one mask among all T queries.
        scores: (B, T, S) or (B, S).

    Returns:
        Boolean; a mask (B, S) for scores (B, T, S) becomes (B, 1, S), others keep their shape.

    Raises:
        ValueError: If the shape of `mask` does not match.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> mask = ka.masking.aligned_mask([[True, True, False]], np.zeros((1, 2, 3)))
        >>> mask.numpy().tolist()
        [[[True, True, False]]]
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
