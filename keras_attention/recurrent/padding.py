"""How a recurrence stands still on padding, and passes over holes, such as missing readings.

An encoder's cell (`keras_attention.cells.padding_aware`) keeps its state c on padding, but not the
output h. Padding inside a row, a hole, therefore moves to its end before the recurrence and back
after it: a recurrence that holds its state over holes is one over the real positions alone.
"""

from __future__ import annotations

from keras import ops

from keras_attention.masking import is_contiguous
from keras_attention.types import Tensor


def real_positions(mask: Tensor | None, dtype: str) -> Tensor | None:
    """The mask as numbers (B, S, 1), NaN in rows with a hole; None if there is no mask."""
    if mask is None:
        return None
    numbers = ops.cast(mask, dtype)
    contiguous = ops.expand_dims(is_contiguous(mask), 1)
    return ops.expand_dims(ops.where(contiguous, numbers, float("nan")), -1)


def close_holes(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the real positions of each row to its front, in order, if any row has a hole.

    Args:
        x: (B, S, D).
        mask: Boolean (B, S), True on real positions.

    Returns:
        x and the mask; as they are if no row has a hole.
    """

    def closed() -> tuple[Tensor, Tensor]:
        count = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        moved = _taken(x, ops.argsort(_closed_places(mask), axis=1))
        return moved, ops.arange(ops.shape(mask)[1]) < count

    return ops.cond(_has_hole(mask), closed, lambda: (x, mask))


def open_holes(x: Tensor, mask: Tensor) -> Tensor:
    """Move the positions of x (B, S, D) back to where `close_holes` found them.

    Args:
        x: (B, S, D), a result for what `close_holes` returned.
        mask: Boolean (B, S), as given to `close_holes`.
    """
    return ops.cond(_has_hole(mask), lambda: _taken(x, _closed_places(mask)), lambda: x)


def _has_hole(mask: Tensor) -> Tensor:
    return ops.logical_not(ops.all(is_contiguous(mask)))


def _closed_places(mask: Tensor) -> Tensor:
    """Where each position (B, S) moves: the real ones to the front, the others behind them."""
    real = ops.cast(mask, "int32")
    real_before = ops.cumsum(real, axis=1) - real
    others_before = ops.arange(ops.shape(mask)[1], dtype="int32") - real_before
    return ops.where(mask, real_before, ops.sum(real, axis=1, keepdims=True) + others_before)


def _taken(x: Tensor, places: Tensor) -> Tensor:
    """Gather the positions (B, S) of x (B, S, D), as rows of one matrix."""
    rows, length, features = ops.shape(x)
    start = length * ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    return ops.take(ops.reshape(x, (-1, features)), start + ops.cast(places, "int32"), axis=0)
