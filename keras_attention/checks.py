"""Argument checks. Each error names the argument, what was expected and what was received."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np

from keras_attention.ids import PADDING_ID

_ROUNDING = 1e-2  # of sums of log-probabilities, which may come out above 0 in low precision


def check_positive(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value <= 0:
        raise ValueError(
            f"Argument `{name}` must be a positive integer. Received: {name}={value!r}"
        )


def check_number(name: str, value: Any) -> None:
    """Raise `TypeError` unless `value` is a number."""
    if not isinstance(value, Real):
        raise TypeError(f"Argument `{name}` must be a number. Received: {name}={value!r}")


def check_positive_number(name: str, value: float) -> None:
    """Raise `ValueError` unless `value` is above 0, and `TypeError` unless it is a number."""
    check_number(name, value)
    if not value > 0:
        raise ValueError(f"Argument `{name}` must be positive. Received: {name}={value!r}")


def check_not_negative(name: str, value: float) -> None:
    """Raise `ValueError` unless `value` is at least 0, and `TypeError` unless it is a number."""
    check_number(name, value)
    if not 0 <= value < float("inf"):
        raise ValueError(f"Argument `{name}` must not be negative. Received: {name}={value!r}")


def check_fraction(name: str, value: float) -> None:
    """Raise `ValueError` unless `value` is in [0, 1), and `TypeError` unless it is a number."""
    check_number(name, value)
    if not 0.0 <= value < 1.0:
        raise ValueError(
            f"Argument `{name}` must be at least 0 and below 1. Received: {name}={value!r}"
        )


def check_part(name: str, part: Any, kind: type) -> None:
    """Raise `TypeError` unless an optional part of a layer is an instance of a class, or None."""
    if part is not None and not isinstance(part, kind):
        raise TypeError(
            f"Argument `{name}` must be an instance of {kind.__name__} or None. "
            f"Received: {name}={part!r}"
        )


def check_one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise `ValueError` unless `value` is in `allowed`."""
    if value not in allowed:
        raise ValueError(
            f"Argument `{name}` must be one of {tuple(allowed)}. Received: {name}={value!r}"
        )


def fits(shape: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether two shapes can be equal; None stands for an unknown size."""
    return len(shape) == len(expected) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True)
    )


def check_shape(name: str, shape: Sequence[Any], other: str, expected: Sequence[Any]) -> None:
    """Raise `ValueError` unless a shape fits the one expected by the argument `other`."""
    if not fits(shape, expected):
        raise ValueError(
            f"Argument `{name}` must match `{other}`: expected (batch, ...) = {tuple(expected)}. "
            f"Received: {name} with {tuple(shape)}"
        )


def check_mask(name: str, mask: Any) -> None:
    """Raise `ValueError` unless a mask is of booleans, or of integers.

    A mask of floating-point numbers may be one that is added to scores, with 0 where a position may
    be attended to. Read as booleans, it would say the opposite.
    """
    dtype = keras.backend.standardize_dtype(getattr(mask, "dtype", None) or np.asarray(mask).dtype)
    if "float" in dtype:
        raise ValueError(
            f"Argument `{name}` must be boolean, True on what is read. If it is 1 there, use "
            "`ops.cast(mask, 'bool')`; if it is added to scores, 0 there and large and negative "
            f"elsewhere, `ops.equal(mask, 0)`. Received: {name} of {dtype}"
        )


def checked_mask(mask: Any) -> Any:
    """A mask of booleans or integers as booleans; `ValueError` as in `check_mask`."""
    check_mask("mask", mask)
    return keras.ops.cast(mask, "bool")


def check_rank(name: str, shape: Sequence[Any], axes: str) -> None:
    """Raise `ValueError` unless a shape has one entry per name in `axes`: "(batch, length)"."""
    if len(shape) != axes.count(",") + 1:
        raise ValueError(
            f"Argument `{name}` must have the axes {axes}. Received: {name}.shape={tuple(shape)}"
        )


def check_sequence(name: str, shape: Sequence[Any]) -> None:
    """Raise `ValueError` unless a shape is (batch, length, features) with at least one position."""
    if any(isinstance(size, list | tuple) for size in shape):
        raise ValueError(
            f"Argument `{name}` must be one tensor; pass others by the names of their arguments. "
            f"Received: {len(shape)} tensors, of shapes {[tuple(one) for one in shape]}"
        )
    check_rank(name, shape, "(batch, length, features)")
    if shape[1] == 0:
        raise ValueError(
            f"Argument `{name}` must have at least one position. "
            f"Received: {name}.shape={tuple(shape)}"
        )


def check_masked_sequence(inputs: Any, mask: Any) -> None:
    """Raise `ValueError` unless `inputs` is a sequence and `mask`, if there is one, matches it."""
    check_sequence("inputs", inputs.shape)
    if mask is not None:
        check_mask("mask", mask)
        check_shape("mask", mask.shape[:2], "inputs", inputs.shape[:2])


def check_log_probs(scores: np.ndarray) -> None:
    """Raise `ValueError` if any of the scores (B, ...) is NaN, or clearly above 0."""
    if (scores > _ROUNDING).any():
        raise ValueError(
            "The model returned log-probabilities above 0: `decode_step` must return them, not "
            f"logits; apply ops.log_softmax. Received: a score of {scores.max()}"
        )
    if np.isnan(scores).any():
        raise ValueError(
            "The model returned NaN log-probabilities: check its weights and its training. "
            f"Received: scores={scores[:, 0]}"
        )


def checked_ids(ids: Any, vocabulary: int, name: str = "source") -> np.ndarray:
    """Return ids as a padded int32 array after checking them.

    Args:
        ids: Ids (B, S), padded with 0 on the right, or rows of different lengths: a list of lists,
            or a ragged tensor of TensorFlow.
        vocabulary: Number of tokens.
        name: Name of the argument in error messages.

    Raises:
        ValueError: If the ids are not integers (B, S), lie outside the vocabulary, or have padding
            anywhere but on the right.
    """
    array = _padded(ids)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or array.size == 0:
        raise ValueError(
            f"Argument `{name}` must be a non-empty array of integer ids (batch, length). "
            f"Received: shape={array.shape}, dtype={array.dtype}"
        )
    outside = (array < 0) | (array >= vocabulary)
    if outside.any():
        row, position = (int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"Argument `{name}` must hold ids from 0 to {vocabulary - 1}. "
            f"Received: {name}[{row}, {position}]={array[row, position]}"
        )
    holes = (array[:, 1:] != PADDING_ID) & (array[:, :-1] == PADDING_ID)
    if holes.any():
        raise ValueError(
            f"Argument `{name}` must be padded with 0 on the right only. "
            f"Received: padding before a token in row {int(np.argwhere(holes)[0, 0])}"
        )
    return array.astype("int32")


def checked_array(spec: Any, given: Any, name: str = "source") -> np.ndarray:
    """Return what a `keras.InputSpec` describes as an array of its dtype after checking its shape.

    Args:
        spec: The spec.
        given: The array; for integers also rows of different lengths, which are padded with 0.
        name: Name of the argument in error messages.

    Raises:
        ValueError: If it does not fit the spec.
    """
    dtype = np.dtype(spec.dtype or "float32")
    array = _padded(given) if dtype.kind in "iu" else np.asarray(given)
    is_whole = array.dtype.kind in "iu" or dtype.kind not in "iu"
    if not fits(array.shape, spec.shape) or array.dtype.kind not in "biuf" or not is_whole:
        raise ValueError(
            f"Argument `{name}` must fit its spec, {dtype} of shape {tuple(spec.shape)}. "
            f"Received: {array.dtype} of shape {array.shape}"
        )
    return array.astype(dtype)


def _padded(ids: Any) -> np.ndarray:
    """Rows of ids as one array, padded with 0 on the right if they differ in length."""
    if hasattr(ids, "to_tensor"):  # a ragged tensor
        return np.asarray(ids.to_tensor(PADDING_ID))
    if not isinstance(ids, list | tuple):
        return np.asarray(ids)
    rows = [np.asarray(row) for row in ids]
    if any(row.ndim != 1 for row in rows) or len({len(row) for row in rows}) < 2:
        return np.asarray(ids)
    dtype = np.result_type(*(row for row in rows if row.size))
    padded = np.full((len(rows), max(map(len, rows))), PADDING_ID, dtype)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = row
    return padded
