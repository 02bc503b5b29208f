"""How a recurrence stands still on padding, and passes over holes, such as missing readings.

A recurrent layer gets no mask, because a masked LSTM is not fused: cuDNN accepts only some masks,
and ONNX makes it a loop. Instead, each position carries an additional feature that is 1 on padding.
It closes the input gate and opens the forget gate there, so the cell state passes through padding
bit for bit unchanged.

The output h is not held. Padding inside a row, a hole, therefore moves to its end before the
recurrence and back after it: a recurrence that holds its state over holes is one over the real
positions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.masking import is_contiguous
from keras_attention.types import Shape, Tensor

_GATE_CLOSED = 1e4
_JOINED: ContextVar[tuple[Any, Tensor]] = ContextVar("joined kernel", default=(None, None))
"""The cell running in this thread, and its kernel with the row for the padding feature added."""


_SELECTS: ContextVar[bool] = ContextVar("held by selection", default=False)


@contextmanager
def held_by_selection() -> Iterator[None]:
    """Let cells select their states on padding, with no large weight for it.

    A matrix with the row for the padding feature cannot be stored in 8 bits: its scale would round
    all other weights of these gates to zero.
    """
    token = _SELECTS.set(True)
    try:
        yield
    finally:
        _SELECTS.reset(token)


@keras.saving.register_keras_serializable(package="keras_attention", name="_PaddingAwareLSTMCell")
class PaddingAwareLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell whose last input feature is 1 on padding and freezes the cell state."""

    def build(self, input_shape: Shape) -> None:
        super().build((*input_shape[:-1], input_shape[-1] - 1))
        gates = np.array([-_GATE_CLOSED, _GATE_CLOSED, 0.0, 0.0], "float32")
        self._gates = np.repeat(gates, self.units)[None]

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool | None = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one step; see `keras.layers.LSTMCell`."""
        if not _SELECTS.get() or inputs.shape[-1] == self._kernel.shape[0]:
            output, after = super().call(inputs, states, training=training)
            return output, after
        is_padding = inputs[:, -1:] > 0.5
        _, after = super().call(inputs[:, :-1], states, training=training)
        pairs = zip(states, after, strict=True)
        held = [ops.where(is_padding, before, new) for before, new in pairs]
        return held[0], held

    @property
    def kernel(self) -> Tensor:
        cell, joined = _JOINED.get()
        if cell is self:
            return joined
        row = ops.convert_to_tensor(self._gates, dtype=self.compute_dtype)
        return ops.concatenate([ops.cast(self._kernel, self.compute_dtype), row], axis=0)

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._kernel = value

    @contextmanager
    def kernel_made_before(self, knows_padding: bool) -> Iterator[None]:
        """Build the kernel once, before the loop over time, because ONNX needs that to fuse LSTMs.

        Args:
            knows_padding: Whether the inputs have the padding feature.
        """
        is_joined = knows_padding and not _SELECTS.get()
        kernel = self.kernel if is_joined else ops.cast(self._kernel, self.compute_dtype)
        token = _JOINED.set((self, kernel))
        try:
            yield
        finally:
            _JOINED.reset(token)


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
