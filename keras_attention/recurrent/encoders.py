"""Recurrent encoders: sentences in, one vector per position and the final states out.

The recurrent layers get no mask, because a masked LSTM is not fused: cuDNN accepts only some masks,
and ONNX makes it a loop. Instead, each position carries an additional feature that is 1 on padding.
It closes the input gate and opens the forget gate there, so the cell state passes through padding
bit for bit unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.backend import is_concrete
from keras_attention.cells.stack import dropout_in_training_only, sequence_layer
from keras_attention.checks import check_fraction, check_positive, check_shape
from keras_attention.masking import is_contiguous
from keras_attention.types import Shape, Tensor

_GATE_CLOSED = 1e4
_JOINED: ContextVar[tuple[Any, Tensor]] = ContextVar("joined kernel", default=(None, None))
"""The cell running in this thread, and its kernel with the row for the padding feature added."""


class _Encoder(keras.layers.Layer):
    """Stacked LSTM layers in one or two directions; subclasses say which."""

    directions: tuple[str, ...] = ("forward",)

    def __init__(
        self,
        units: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("units", units)
        check_positive("num_layers", num_layers)
        check_fraction("dropout", dropout)
        check_fraction("recurrent_dropout", recurrent_dropout)
        self.units, self.num_layers, self.seed = units, num_layers, seed
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.residual = residual
        self.supports_masking = True
        self.layers = [
            {direction: self._lstm(direction, i) for direction in self.directions}
            for i in range(num_layers)
        ]
        self.dropouts = [
            keras.layers.Dropout(
                dropout,
                seed=None if seed is None else seed + i,
                dtype=self.dtype_policy,
                name=f"dropout_{i}",
            )
            for i in range(num_layers - 1)
        ]

    def _lstm(self, direction: str, i: int) -> keras.layers.Layer:
        place = 2 * i + self.directions.index(direction)
        cell = _PaddingAwareLSTMCell(
            self.units,
            recurrent_dropout=self.recurrent_dropout,
            seed=None if self.seed is None else self.seed + self.num_layers + place,
            dtype=self.dtype_policy,
            name="cell",
        )
        name = f"{direction}_{i}"
        return sequence_layer(cell, keras.layers.LSTM, dtype=self.dtype_policy, name=name)

    def build(self, inputs_shape: Shape) -> None:
        """Create the weights for inputs (B, S, D)."""
        features = inputs_shape[-1]
        for layer in self.layers:
            for lstm in layer.values():
                lstm.build((None, None, features + 1))
            features = self.units * len(self.directions)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, ...]:
        """Encode; see the class for arguments and results."""
        valid = _valid(inputs, mask)
        encoded, states = inputs, []
        for i, layer in enumerate(self.layers):
            below = encoded
            if i:
                encoded = self.dropouts[i - 1](encoded, training=training)
            results = [_run(lstm, name, encoded, valid, training) for name, lstm in layer.items()]
            encoded = ops.concatenate([sequence for sequence, _ in results], axis=-1)
            encoded = encoded + below if i and self.residual else encoded
            states = [state for _, pair in results for state in pair]
        return (encoded, *states)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """The encoded sequence keeps the mask of the inputs; the states have none."""
        return previous_mask

    def compute_output_spec(
        self, inputs: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[keras.KerasTensor, ...]:
        """Return the symbolic results of `call`."""
        batch, length = inputs.shape[:2]
        size, dtype = self.units * len(self.directions), self.compute_dtype
        states = [
            keras.KerasTensor((batch, self.units), dtype=dtype)
            for _ in range(2 * len(self.directions))
        ]
        return (keras.KerasTensor((batch, length, size), dtype=dtype), *states)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("units", "num_layers", "dropout", "recurrent_dropout", "seed", "residual")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="keras_attention")
class LSTMEncoder(_Encoder):
    """An encoder that reads from left to right, as in a plain encoder-decoder.

    Formula: `h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})`; the outputs of each layer are the inputs of
    the next.

    Args:
        units: Size U of the states.
        num_layers: Number of stacked layers.
        dropout: Fraction of the features to drop between layers in training.
        recurrent_dropout: Fraction of a state's features to drop in training before the next step
            reads them; the same ones at every step.
        seed: Seed for dropout, or None.
        residual: Whether each layer above the first adds its inputs to its outputs.

    Call arguments:
        inputs: (B, S, D).
        mask: Boolean (B, S), True on real positions, or None. Padding may be to the left or right
            of a sentence, not inside it. Keras fills it in from the mask that `inputs` carries.
        training: Whether to apply dropout.

    Returns:
        The encoded sequence (B, S, U), zero on padding, and the last layer's final states h and c,
        (B, U) each, after the last real position. Padding does not affect them.

    Raises:
        ValueError: If an argument is out of range, or a mask has a hole. A compiled function cannot
            check the mask; there, the results of that row are NaN.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> encoded, h, c = ka.LSTMEncoder(units=4)(np.ones((2, 7, 3), "float32"))
        >>> tuple(encoded.shape), tuple(h.shape), tuple(c.shape)
        ((2, 7, 4), (2, 4), (2, 4))

    Reference: Sutskever, Vinyals and Le 2014, section 2; Wu et al. 2016, equation 6 (residual).
    """


@keras.saving.register_keras_serializable(package="keras_attention")
class BiLSTMEncoder(_Encoder):
    """An encoder that reads in both directions, so that each position sees all others.

    Formula: `a_t = [h>_t; h<_t]`, with `h>_t = LSTM(x_t, h>_{t-1})` from left to right and
    `h<_t = LSTM(x_t, h<_{t+1})` from right to left; the outputs of each layer are the inputs of the
    next.

    Args:
        units: Size U of the states, in each direction.
        num_layers: Number of stacked layers.
        dropout: Fraction of the features to drop between layers in training.
        recurrent_dropout: Fraction of a state's features to drop in training before the next step
            reads them; the same ones at every step.
        seed: Seed for dropout, or None.
        residual: Whether each layer above the first adds its inputs to its outputs.

    Call arguments:
        inputs: (B, S, D).
        mask: Boolean (B, S), True on real positions, or None. Padding may be to the left or right
            of a sentence, not inside it. Keras fills it in from the mask that `inputs` carries.
        training: Whether to apply dropout.

    Returns:
        The encoded sequence (B, S, 2 * U), zero on padding, and the last layer's final states,
        (B, U) each: forward h and c (after the last real position), backward h and c (after the
        first). Padding does not affect them.

    Raises:
        ValueError: If an argument is out of range, or a mask has a hole. A compiled function cannot
            check the mask; there, the results of that row are NaN.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> encoded, fh, fc, bh, bc = ka.BiLSTMEncoder(units=4)(np.ones((2, 7, 3), "float32"))
        >>> tuple(encoded.shape), tuple(bh.shape)
        ((2, 7, 8), (2, 4))

    Reference: Bahdanau, Cho and Bengio 2015, section 3.2; Schuster and Paliwal 1997; Wu et al.
    2016, equation 6 (residual).
    """

    directions = ("forward", "backward")


@keras.saving.register_keras_serializable(package="keras_attention")
class _PaddingAwareLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell whose last input feature is 1 on padding and freezes the cell state."""

    def build(self, input_shape: Shape) -> None:
        super().build((*input_shape[:-1], input_shape[-1] - 1))
        gates = np.array([-_GATE_CLOSED, _GATE_CLOSED, 0.0, 0.0], "float32")
        self._gates = np.repeat(gates, self.units)[None]

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
        kernel = self.kernel if knows_padding else ops.cast(self._kernel, self.compute_dtype)
        token = _JOINED.set((self, kernel))
        try:
            yield
        finally:
            _JOINED.reset(token)


def _run(
    lstm: keras.layers.Layer,
    direction: str,
    inputs: Tensor,
    valid: Tensor | None,
    training: bool | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run one layer in one direction: outputs (B, S, U), zero on padding, and final h and c."""
    backward = direction == "backward"
    features = inputs if valid is None else ops.concatenate([inputs, 1.0 - valid], axis=-1)
    kernel_made = lstm.cell.kernel_made_before(knows_padding=valid is not None)
    with kernel_made, dropout_in_training_only([lstm.cell], training):
        ordered = ops.flip(features, axis=1) if backward else features
        outputs, h, c = lstm(ordered, training=training)
    outputs = ops.flip(outputs, axis=1) if backward else outputs
    if valid is None:
        return outputs, (h, c)
    outputs = outputs * valid
    return outputs, (_at_end(outputs, valid, backward), c)


def _at_end(outputs: Tensor, valid: Tensor, backward: bool) -> Tensor:
    """Output (B, U) at the last real position, or the first if backward; NaN stays NaN."""
    steps = ops.cast(ops.arange(ops.shape(outputs)[1]), "float32")[None, :, None]
    order = (-steps if backward else steps) - 1e9 * (1.0 - ops.cast(valid, "float32"))
    is_end = ops.equal(order, ops.max(order, axis=1, keepdims=True))
    return ops.sum(ops.where(is_end, outputs, 0.0) + 0.0 * valid, axis=1)


def _valid(inputs: Tensor, mask: Tensor | None) -> Tensor | None:
    """The mask as numbers (B, S, 1), NaN in rows with a hole; None if there is no mask."""
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    check_shape("mask", mask.shape, "inputs", inputs.shape[:2])
    contiguous = is_contiguous(mask)
    if is_concrete(contiguous) and not ops.convert_to_numpy(contiguous).all():
        rows = np.flatnonzero(~ops.convert_to_numpy(contiguous)).tolist()
        raise ValueError(
            "Argument `mask` must be True on one contiguous run of positions per row: padding may "
            "be to the left or right of a sentence, not inside it. "
            f"Received: mask with holes in rows {rows}"
        )
    numbers = ops.cast(mask, inputs.dtype)
    return ops.expand_dims(ops.where(contiguous[:, None], numbers, float("nan")), -1)
