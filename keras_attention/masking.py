"""Masks, and the one masked softmax of the package.

True in a mask means "may be attended to".
"""

from __future__ import annotations

import keras
from keras import ops

from keras_attention.checks import checked_mask, fits
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.types import Tensor

__all__ = [
    "aligned_mask",
    "allowed",
    "defined",
    "is_contiguous",
    "masked_softmax",
    "step_mask",
    "unmasked",
]

_LOWEST_SCORE = -3.4e38
_LARGEST_FLOAT16 = 65504.0


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Turn scores into weights over the last axis; masked positions get exactly zero.

    Formula: `weights_j = exp(score_j) / sum_i exp(score_i)` over the positions i that may be
    attended to.

    Computed in at least float32 and returned in the dtype of `scores`. A fully masked row gets all
    zeros, and so a zero context, instead of a uniform distribution over the padding. A score of
    minus infinity counts as masked; NaN or plus infinity makes its weight NaN, and with it the
    context, and except in TensorFlow on processors with AVX-512 all weights of its row that are not
    masked. In float16, where scores overflow, infinities are read as +-65504.

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
    dtype = keras.backend.standardize_dtype(floating(scores).dtype)
    scores, may = allowed(scores, mask)
    return ops.cast(ops.where(may, _softmax(scores), 0.0), dtype)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; for a single position, where Keras's warns, by its formula."""
    if scores.shape[-1] == 1:
        return ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    return ops.softmax(scores, axis=-1)


def allowed(scores: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scores as an alignment reads them, and where they count; minus infinity counts as masked.

    Args:
        scores: (B, T, S) or (B, S). In float16, where a product may have overflowed, infinities
            are read as the largest and the lowest number.
        mask: As in `masked_softmax`.

    Returns:
        Scores in at least float32, the lowest number where they do not count, and a boolean tensor
        of the same shape, True where they count.

    Raises:
        ValueError: If the shape of `mask` does not match.

    Example:
        >>> import keras_attention as ka
        >>> scores, may = ka.masking.allowed([[1.0, 2.0, 3.0]], mask=[[True, True, False]])
        >>> may.numpy().tolist(), int(scores[0].numpy().argmax())
        ([[True, True, False]], 1)
    """
    scores = floating(scores)
    is_half = keras.backend.standardize_dtype(scores.dtype) == "float16"
    scores = at_least_float32(scores)
    if is_half:
        scores = ops.clip(scores, -_LARGEST_FLOAT16, _LARGEST_FLOAT16)
    may = ops.not_equal(scores, -float("inf"))  # TensorFlow's graphs make `not <` a `>=`: NaN hides
    if mask is not None:
        may = ops.logical_and(may, aligned_mask(mask, scores))
    return ops.where(may, scores, _LOWEST_SCORE), may


def defined(weights: Tensor, scores: Tensor, may: Tensor) -> Tensor:
    """Weights, but NaN in each row whose scores leave them undefined: by NaN or plus infinity.

    A softmax needs no such check: at least its own weight becomes NaN, and with it the context.

    Args:
        weights: Weights for the scores.
        scores: From `allowed`, of the shape of `weights`.
        may: From `allowed`. Weights are zero where it is False.

    Returns:
        The weights, of the shape of `scores`.

    Example:
        A hard maximum of your own, which without this would overlook that a score is NaN:

        >>> from keras import ops
        >>> import keras_attention as ka
        >>> scores, may = ka.masking.allowed([[1.0, 2.0], [1.0, float("nan")]], mask=None)
        >>> one_hot = ops.one_hot(ops.argmax(scores, axis=-1), 2)
        >>> ka.masking.defined(one_hot, scores, may).numpy().tolist()
        [[0.0, 1.0], [nan, nan]]
    """
    are_numbers = ops.all(scores < -_LOWEST_SCORE, axis=-1, keepdims=True)
    return ops.where(may, ops.where(are_numbers, weights, float("nan")), 0.0)


def unmasked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Replace what is masked, even NaN, by zeros: no result and no gradient depends on it then.

    A layer calls this where a masked argument enters, before any product: 0 times NaN is NaN, so a
    weight or a gradient of zero does not keep NaN out.

    Args:
        x: (..., D).
        mask: Boolean (...), False where x is not to be read; None reads all of it.

    Returns:
        x, with zeros where the mask is False.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> x = np.array([[[1.0, 2.0], [np.nan, 3.0]]])
        >>> ka.masking.unmasked(x, [[True, False]]).numpy().tolist()
        [[[1.0, 2.0], [0.0, 0.0]]]
    """
    if mask is None:
        return x
    return ops.where(ops.expand_dims(checked_mask(mask), -1), x, 0.0)


def step_mask(mask: Tensor) -> Tensor:
    """Reduce a mask to the steps of a sequence: a step counts if anything in it does.

    `keras.layers.TimeDistributed` leaves the mask of the words (B, S, W) on the vectors (B, S, D)
    that the layer inside it makes of sentences. There, a sentence counts if any of its words does.

    Args:
        mask: Boolean (B, S), or (B, S, ...).

    Returns:
        Boolean (B, S).

    Example:
        Two words, one word, padding:

        >>> import keras_attention as ka
        >>> words = [[[True, True], [True, False], [False, False]]]
        >>> ka.masking.step_mask(words).numpy().tolist()
        [[True, True, False]]
    """
    mask = checked_mask(mask)
    inner = tuple(range(2, len(mask.shape)))
    return ops.any(mask, axis=inner) if inner else mask


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
    mask = checked_mask(mask)
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
