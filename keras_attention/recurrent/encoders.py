"""Recurrent encoders: sentences in, one vector per position and the final states out.

The recurrent layers get no mask; `padding` holds their states over what is masked.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.cells.padding_aware import PaddingAwareLSTMCell
from keras_attention.cells.protocol import zero_states
from keras_attention.cells.sequence import run_layer, sequence_layer
from keras_attention.cells.stack import dropout_in_training_only
from keras_attention.checks import (
    check_fraction,
    check_masked_sequence,
    check_positive,
    check_sequence,
)
from keras_attention.dropout import Dropout
from keras_attention.masking import step_mask, unmasked
from keras_attention.parts import Composite
from keras_attention.recurrent.padding import close_holes, open_holes, real_positions
from keras_attention.types import Shape, Tensor


class _Encoder(Composite):
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
        return_state: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("units", units)
        check_positive("num_layers", num_layers)
        check_fraction("dropout", dropout)
        check_fraction("recurrent_dropout", recurrent_dropout)
        self.units, self.num_layers, self.seed = units, num_layers, seed
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.residual, self.return_state = residual, return_state
        self.supports_masking = True
        self.layers = [
            Container({direction: self._lstm(direction, i) for direction in self.directions})
            for i in range(num_layers)
        ]
        self.dropouts = [
            Dropout(
                dropout,
                seed=None if seed is None else seed + i,
                dtype=self.dtype_policy,
                name=f"dropout_{i}",
            )
            for i in range(num_layers - 1)
        ]

    def _lstm(self, direction: str, i: int) -> keras.layers.Layer:
        place = 2 * i + self.directions.index(direction)
        cell = PaddingAwareLSTMCell(
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
        check_sequence("inputs", inputs_shape)
        features = inputs_shape[-1]
        for layer in self.layers:
            for lstm in layer.values():
                lstm.build((None, None, features + 1))
            features = self.units * len(self.directions)
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        training: bool | None = None,
        padded_on_one_side: bool = False,
    ) -> Tensor | tuple[Tensor, ...]:
        """Encode; see the class for arguments and results."""
        check_masked_sequence(inputs, mask)
        mask = None if mask is None else step_mask(mask)
        encoded, read = unmasked(inputs, mask), mask
        may_have_holes = mask is not None and not padded_on_one_side
        if may_have_holes:
            encoded, read = close_holes(encoded, mask)
        valid, states = real_positions(read, encoded.dtype), []
        for i, layer in enumerate(self.layers):
            below = encoded
            if i:
                encoded = self.dropouts[i - 1](encoded, training=training)
            results = [_run(lstm, name, encoded, valid, training) for name, lstm in layer.items()]
            encoded = ops.concatenate([sequence for sequence, _ in results], axis=-1)
            encoded = encoded + below if i and self.residual else encoded
            states = [state for _, pair in results for state in pair]
        if may_have_holes:
            encoded = open_holes(encoded, mask)
        return (encoded, *states) if self.return_state else encoded

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """The encoded sequence keeps the mask of the inputs; the states have none."""
        return previous_mask

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        training: bool | None = None,
        padded_on_one_side: bool = False,
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, ...]:
        """Return the symbolic results of `call`."""
        check_masked_sequence(inputs, mask)
        batch, length = inputs.shape[:2]
        size, dtype = self.units * len(self.directions), self.compute_dtype
        states = [
            keras.KerasTensor((batch, self.units), dtype=dtype)
            for _ in range(2 * len(self.directions))
        ]
        encoded = keras.KerasTensor((batch, length, size), dtype=dtype)
        return (encoded, *states) if self.return_state else encoded

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ["units", "num_layers", "dropout", "recurrent_dropout", "seed", "residual"]
        names += ["return_state"]
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
        return_state: Whether to return the final states as well. Without them, the result is one
            tensor, as `Sequential` and `TimeDistributed` need it.

    Call arguments:
        inputs: (B, S, D).
        mask: Boolean (B, S), True on real positions, or None. Others are not read, and the state
            passes over them unchanged, wherever they are. Keras fills it in from the mask that
            `inputs` carries; one that `TimeDistributed` left there, (B, S, W), is reduced.
        training: Whether to apply dropout.
        padded_on_one_side: Whether masked positions are known to be to the left or right of all
            real ones, so that nothing has to look for holes. If this is wrong, the results of
            that row are NaN.

    Returns:
        The encoded sequence (B, S, U), zero on masked positions, and the last layer's final states
        h and c, (B, U) each, after the last real position. What is masked does not affect them.

    Raises:
        ValueError: If an argument is out of range, or the shape of `mask` does not match.

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
        return_state: Whether to return the final states as well. Without them, the result is one
            tensor, as `Sequential` and `TimeDistributed` need it.

    Call arguments:
        inputs: (B, S, D).
        mask: Boolean (B, S), True on real positions, or None. Others are not read, and the state
            passes over them unchanged, wherever they are. Keras fills it in from the mask that
            `inputs` carries; one that `TimeDistributed` left there, (B, S, W), is reduced.
        training: Whether to apply dropout.
        padded_on_one_side: Whether masked positions are known to be to the left or right of all
            real ones, so that nothing has to look for holes. If this is wrong, the results of
            that row are NaN.

    Returns:
        The encoded sequence (B, S, 2 * U), zero on masked positions, and the last layer's final
        states, (B, U) each: forward h and c (after the last real position), backward h and c (after
        the first). What is masked does not affect them.

    Raises:
        ValueError: If an argument is out of range, or the shape of `mask` does not match.

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


class Container(keras.layers.Layer):
    """The LSTM of each direction in one layer of the stack: a dictionary whose weights are saved.

    Before version 3.15, Keras saves what a layer has in a list or a dictionary, but nothing that is
    nested deeper, and says nothing. This layer's class and attributes have the names under which
    3.15 files a list of dictionaries, `layers/container_1/lstm`: files load in all versions.
    """

    def __init__(self, lstms: dict[str, keras.layers.Layer]) -> None:
        super().__init__()
        self._names = tuple(lstms)
        self.lstm, *above = lstms.values()
        if above:
            (self.lstm_1,) = above
        self.built = True  # the encoder builds them

    def values(self) -> list[keras.layers.Layer]:
        """The layers, in the order of the directions."""
        return [self.lstm] if len(self._names) == 1 else [self.lstm, self.lstm_1]

    def items(self) -> list[tuple[str, keras.layers.Layer]]:
        """Directions and layers."""
        return list(zip(self._names, self.values(), strict=True))

    def __getitem__(self, direction: str) -> keras.layers.Layer:
        return dict(self.items())[direction]


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
        states = zero_states([lstm.cell], ops.shape(inputs)[0], lstm.compute_dtype)
        outputs, (h, c) = run_layer(lstm, ordered, states, None, training)
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
