"""A residual connection around a recurrent cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.cells.protocol import output_size, state_sizes, training_option
from keras_attention.types import Shape, Tensor

_DropoutRNNCell: Any = next(
    kind for kind in keras.layers.LSTMCell.__mro__ if kind.__name__ == "DropoutRNNCell"
)
"""The class by which Keras's RNN recognizes cells with dropout; it has no public name."""


@keras.saving.register_keras_serializable(package="keras_attention")
class ResidualCell(_DropoutRNNCell, keras.layers.Layer):
    """A recurrent cell whose output is added to its input.

    Formula, for a cell of U units: `y_t = cell(x_t, s_{t-1}) + x_t`, with the input of the same
    step. If x_t has more than U features (a context after the output of the layer below), the
    first U are added. The state is that of the inner cell.

    Args:
        cell: A Keras RNN cell.

    Call arguments:
        inputs: (B, D), with D at least U.
        states: The cell's states.
        training: Whether the cell applies dropout; the added input is never dropped.

    Returns:
        The output (B, U) and the next states.

    Raises:
        TypeError: If `cell` is not a Keras RNN cell.
        ValueError: If the inputs have fewer features than the cell's output.

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> cell = ka.cells.ResidualCell(keras.layers.LSTMCell(4, kernel_initializer="zeros"))
        >>> inputs = np.arange(8, dtype="float32").reshape(1, 2, 4)
        >>> outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
        >>> [[float(x) for x in row] for row in outputs[0]]
        [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]

    Reference: Wu et al. 2016, section 3.1, equation 6.
    """

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cell, keras.layers.Layer) or not hasattr(cell, "state_size"):
            raise TypeError(
                "Argument `cell` must be a Keras RNN cell, for example LSTMCell. "
                f"Received: cell={cell!r}"
            )
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = output_size(cell)

    def build(self, inputs_shape: Shape) -> None:
        """Create the cell's weights for inputs (B, D)."""
        if inputs_shape[-1] < self.output_size:
            raise ValueError(
                f"Argument `inputs` must have at least {self.output_size} features, to add to the "
                f"output. Received: inputs with {inputs_shape[-1]} features"
            )
        if not self.cell.built:
            self.cell.build(inputs_shape)
            self.cell.built = True
        self.built = True

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool | None = None
    ) -> tuple[Tensor, Any]:
        """One step; see the class."""
        output, after = self.cell(inputs, states, **training_option(self.cell, training))
        return self.add(inputs, output), after

    def add(self, inputs: Tensor, output: Tensor) -> Tensor:
        """Add the first U features of the inputs to the output (..., U)."""
        if inputs.shape[-1] != self.output_size:
            inputs = inputs[..., : self.output_size]
        return output + ops.cast(inputs, output.dtype)

    def get_initial_state(self, batch_size: Any = None) -> Any:
        """The cell's initial state."""
        if hasattr(self.cell, "get_initial_state"):
            return self.cell.get_initial_state(batch_size=batch_size)
        zeros = [ops.zeros((batch_size, n), self.compute_dtype) for n in state_sizes(self.cell)]
        return zeros if isinstance(self.state_size, list | tuple) else zeros[0]

    def get_dropout_mask(self, step_input: Tensor) -> Any:
        """The inner cell's mask, or None if it has no dropout."""
        if hasattr(self.cell, "get_dropout_mask"):
            return self.cell.get_dropout_mask(step_input)
        return None

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> Any:
        """The inner cell's mask, or None if it has no dropout."""
        if hasattr(self.cell, "get_recurrent_dropout_mask"):
            return self.cell.get_recurrent_dropout_mask(step_input)
        return None

    def reset_dropout_mask(self) -> None:
        """Make the inner cell draw a new mask."""
        if hasattr(self.cell, "reset_dropout_mask"):
            self.cell.reset_dropout_mask()

    def reset_recurrent_dropout_mask(self) -> None:
        """Make the inner cell draw a new mask."""
        if hasattr(self.cell, "reset_recurrent_dropout_mask"):
            self.cell.reset_recurrent_dropout_mask()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ResidualCell:
        """Create a cell from the result of `get_config`."""
        return cls(**{**config, "cell": keras.saving.deserialize_keras_object(config["cell"])})
