"""An LSTM cell with layer normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.backend.linear import linear
from keras_attention.checks import check_positive_number
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class LayerNormLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell whose summed inputs and cell state are normalized at each step.

    Formula, with gates in Keras's order; each LN runs over all features of its argument, in at
    least float32:

    - `i, f, g, o = LN(x_t K; a_1) + LN(h_{t-1} R; a_2) + b`
    - `c_t = s(f) c_{t-1} + s(i) tanh(g)`
    - `h_t = s(o) tanh(LN(c_t; a_3) + b_3)`
    - `LN(z; a) = a (z - mean(z)) / sqrt(variance(z) + epsilon)`

    The paper also has shifts in the first two LNs; here b includes them.

    Args:
        units: Size U of the state.
        epsilon: Added to the variance.
        kwargs: Other arguments of `keras.layers.LSTMCell`. All gates share one dropout mask.

    Call arguments:
        inputs: (B, D).
        states: h and c, (B, U) each.
        training: Whether to apply dropout.

    Returns:
        h_t (B, U), and the states h_t and c_t.

    Raises:
        ValueError: If `epsilon` is not positive.

    Attributes:
        input_gain: a_1, (4 U,).
        recurrent_gain: a_2, (4 U,).
        cell_gain: a_3, (U,).
        cell_bias: b_3, (U,).

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> outputs = keras.layers.RNN(ka.cells.LayerNormLSTMCell(4))(np.ones((2, 3, 5), "float32"))
        >>> tuple(outputs.shape)
        (2, 4)

    Reference: Ba, Kiros and Hinton 2016, supplementary material, equations 20 to 22.
    """

    def __init__(self, units: int, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        check_positive_number("epsilon", epsilon)
        self.epsilon = epsilon
        self.implementation, self.dropout_mask_count = 2, None  # one mask for all gates

    def build(self, input_shape: Shape) -> None:
        """Create the weights for inputs (B, D)."""
        super().build(input_shape)
        names = {"input_gain": 4, "recurrent_gain": 4, "cell_gain": 1}
        for name, parts in names.items():
            shape = (parts * self.units,)
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer="ones"))
        self.cell_bias = self.add_weight(name="cell_bias", shape=(self.units,), initializer="zeros")

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """One step; see the class."""
        h, c = states
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            h = h * self.get_recurrent_dropout_mask(h)
        read, kept = (
            linear(x, ops.cast(kernel, x.dtype))
            for x, kernel in ((inputs, self.kernel), (h, self.recurrent_kernel))
        )
        gates = self._normalized(read, self.input_gain)
        gates = gates + self._normalized(kept, self.recurrent_gain)
        if self.use_bias:
            gates = gates + ops.cast(self.bias, gates.dtype)
        i, f, g, o = ops.split(gates, 4, axis=-1)
        gate, squash = self.recurrent_activation, self.activation
        c = gate(f) * at_least_float32(c) + gate(i) * squash(g)
        shown = self._normalized(c, self.cell_gain) + ops.cast(self.cell_bias, c.dtype)
        h = ops.cast(gate(o) * squash(shown), self.compute_dtype)
        return h, [h, ops.cast(c, self.compute_dtype)]

    def _normalized(self, x: Tensor, gain: Tensor) -> Tensor:
        x = at_least_float32(x)
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon) * ops.cast(gain, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
