"""An LSTM cell that stands still on padding.

A recurrent layer gets no mask, because a masked LSTM is not fused: cuDNN accepts only some masks,
and ONNX makes it a loop. Instead, each position carries an additional feature that is 1 on padding.
It closes the input gate and opens the forget gate there, so the cell state passes through padding
bit for bit unchanged. The output h is not held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

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
