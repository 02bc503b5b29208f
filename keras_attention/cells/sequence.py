"""Cells over a whole sequence: Keras's recurrent layer or, in training on a CPU, our own loop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_attention.backend import has_fused_lstm, has_own_gradient, trained_scan
from keras_attention.cells.looped import LoopedStack, is_gated
from keras_attention.cells.protocol import Cell
from keras_attention.cells.residual import ResidualCell
from keras_attention.cells.stack import CellStep, dropout_drawn_before, joined, next_states
from keras_attention.types import Nest, Tensor


def sequence_layer(
    cell: Cell, kind: type[keras.layers.RNN] | None = None, **kwargs: Any
) -> keras.layers.RNN:
    """Return a Keras recurrent layer that runs this cell, or the inner one of a `ResidualCell`.

    Args:
        cell: The cell.
        kind: The layer's class. None means the fused one for exactly Keras's own cells, and `RNN`
            for any other, because a fused layer would ignore the cell's `call`.
        kwargs: Arguments of the layer.
    """
    cell = cell.cell if isinstance(cell, ResidualCell) else cell
    kwargs = {"return_sequences": True, "return_state": True, **kwargs}
    fused = {keras.layers.LSTMCell: keras.layers.LSTM, keras.layers.GRUCell: keras.layers.GRU}
    kind = kind or fused.get(type(cell))
    if kind is None:
        return keras.layers.RNN(cell, **kwargs)
    layer = kind(cell.units, **kwargs)
    # The cell that the constructor made stays a part of the layer, because runs resume with the
    # random states of all parts. Keras quantizes only what is built.
    layer.cell.built = True
    layer.cell = cell
    return layer


def sequence_steps(
    cells: Sequence[Cell],
    layers: Sequence[keras.layers.RNN],
    mask: Tensor | None,
    training: bool | None,
) -> list[CellStep]:
    """Return one function per cell that runs all steps; see `run_layer`."""
    pairs = zip(cells, layers, strict=True)
    return [partial(_over_sequence, *pair, mask=mask, training=training) for pair in pairs]


def _over_sequence(
    cell: Cell,
    layer: keras.layers.RNN,
    inputs: Sequence[Tensor],
    states: list[Tensor],
    mask: Tensor | None,
    training: bool | None,
) -> tuple[Tensor, list[Tensor]]:
    x = joined(inputs)
    outputs, after = run_layer(layer, x, states, mask, training)
    return cell.add(x, outputs) if isinstance(cell, ResidualCell) else outputs, after


def run_layer(
    layer: keras.layers.RNN,
    inputs: Tensor,
    states: Sequence[Tensor],
    mask: Tensor | None,
    training: bool | None,
) -> tuple[Tensor, list[Tensor]]:
    """Run a layer from `sequence_layer` over a sequence.

    In training, TensorFlow multiplies the weights by the inputs of one step at a time, and sums
    their gradients step by step. A loop with its own gradient computes both for all steps at once.
    Everywhere else Keras's layer runs, which cuDNN and the converters know.

    Args:
        layer: The layer.
        inputs: (B, T, D).
        states: Of its cell, (B, .) each.
        mask: Boolean (B, T), False where the states stay as they are, or None.
        training: Whether to apply dropout.

    Returns:
        Outputs (B, T, U), of no meaning where the mask is False, and the last states.
    """
    is_looped = has_own_gradient() and not has_fused_lstm() and is_gated(layer.cell)
    batch, _, features = ops.shape(inputs)
    with dropout_drawn_before([layer.cell], [features], batch, training):
        if training and is_looped:
            stack = LoopedStack([layer.cell], features, True, training)
            return _run_loop(stack, inputs, states, mask)
        outputs, *after = layer(inputs, initial_state=states, mask=mask, training=training)
        return outputs, after


def _run_loop(
    stack: LoopedStack, inputs: Tensor, states: Sequence[Tensor], mask: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    xs = {"inputs": stack.project(ops.swapaxes(inputs, 0, 1))}
    if mask is not None:
        xs["mask"] = ops.cast(ops.swapaxes(mask, 0, 1), xs["inputs"].dtype)

    def body(states: list[Tensor], x: dict[str, Tensor], constants: Nest) -> tuple[Nest, Tensor]:
        (step,) = stack.steps(constants)
        output, after = step([x["inputs"]], states)
        return next_states(states, after, x.get("mask")), output

    after, outputs = trained_scan(body, list(states), xs, stack.constants)
    return ops.swapaxes(outputs, 0, 1), after
