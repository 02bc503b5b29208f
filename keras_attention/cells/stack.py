"""Stacks of Keras RNN cells: from the bottom to the top, for one step or a whole sequence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import keras
from keras import ops

from keras_attention.cells.protocol import Cell, state_sizes
from keras_attention.cells.residual import ResidualCell
from keras_attention.types import Tensor

CellStep: TypeAlias = Callable[[Sequence[Tensor], list[Tensor]], tuple[Tensor, list[Tensor]]]
"""A cell as a function: from what it reads and its states to its output and next states."""

States: TypeAlias = list[list[Tensor]]
"""The states of a stack, cell by cell."""

_CHANGING_CELLS = threading.RLock()


def as_stack(cell: Any) -> list[Cell]:
    """The cells of a stack, the first at the bottom.

    Args:
        cell: A cell, a list of them, or Keras's `StackedRNNCells`.

    Raises:
        TypeError: If one of them is not a Keras RNN cell.
        ValueError: If there is none.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        cell = cell.cells
    cells = list(cell) if isinstance(cell, list | tuple) else [cell]
    if not cells:
        raise ValueError(f"Argument `cell` must hold at least one cell. Received: cell={cell}")
    for item in cells:
        if isinstance(item, keras.layers.RNN):
            raise TypeError(
                "Argument `cell` must be a Keras RNN cell, for example LSTMCell, not a layer that "
                f"runs one over a sequence. Received: {item!r}"
            )
        is_cell = isinstance(item, keras.layers.Layer) and hasattr(item, "state_size")
        if not is_cell or not all(isinstance(size, int) for size in state_sizes(item)):
            raise TypeError(
                "Argument `cell` must be a Keras RNN cell, a layer whose `state_size` is an "
                f"integer or a list of integers, or a list of such cells. Received: {item!r}"
            )
    return cells


def build_stack(cells: Sequence[Cell], features: Sequence[int]) -> None:
    """Make the weights of cells that read so many features each."""
    for cell, size in zip(cells, features, strict=True):
        if not cell.built:
            cell.build((None, size))
            cell.built = True


def split_states(cells: Sequence[Cell], flat: Sequence[Tensor]) -> tuple[States, list[Tensor]]:
    """The states at the front of a flat list, cell by cell, and the rest of the list."""
    states, rest = [], list(flat)
    for cell in cells:
        count = len(state_sizes(cell))
        states.append(rest[:count])
        rest = rest[count:]
    return states, rest


def run_stack(
    steps: Sequence[CellStep],
    inputs: Sequence[Tensor],
    states: States,
    beside: Sequence[Tensor] = (),
) -> tuple[Tensor, States]:
    """Run cells one over another: each reads the output of the one below.

    Args:
        steps: Of each cell, from the bottom to the top: of `cell_steps` or `sequence_steps`, or of
            a `LoopedStack`.
        inputs: What the first one reads, (B, .) each, over a sequence (B, T, .).
        states: The cells' states.
        beside: What each cell reads besides.

    Returns:
        The top output, next states.
    """
    after = []
    for step, own in zip(steps, states, strict=True):
        output, new = step([*inputs, *beside], own)
        after.append(new)
        inputs = [output]
    return output, after


def cell_steps(cells: Sequence[Cell]) -> list[CellStep]:
    """Cells for one step, as Keras calls them."""
    return [partial(_step, cell) for cell in cells]


def _step(
    cell: Cell, inputs: Sequence[Tensor], states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    output, after = cell(ops.concatenate(inputs, axis=-1), states)
    return output, list(after) if isinstance(after, list | tuple) else [after]


def sequence_steps(
    cells: Sequence[Cell],
    layers: Sequence[keras.layers.RNN],
    mask: Tensor | None,
    training: bool | None,
) -> list[CellStep]:
    """Cells for all steps at once, in Keras's own (where it can, fused) recurrent layers."""
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
    x = inputs[0] if len(inputs) == 1 else ops.concatenate(inputs, axis=-1)
    outputs, *after = layer(x, initial_state=states, mask=mask, training=training)
    return cell.add(x, outputs) if isinstance(cell, ResidualCell) else outputs, after


@contextmanager
def dropout_in_training_only(cells: Sequence[Cell], training: bool | None) -> Iterator[None]:
    """Let Keras's cells be what they would be without dropout, but in training.

    Keras's layers draw masks always, which leaves random states that are assigned in an exported
    graph, and a cell with dropout on its states takes a slow path, of which no fused LSTM is made.
    One thread at a time has them so: a second one would take the first one's zeros for the cells'
    own and put those back.
    """
    if training:
        yield
        return
    plain = {"dropout": 0.0, "recurrent_dropout": 0.0, "implementation": 2}
    with _CHANGING_CELLS:
        own = [
            (cell, name, getattr(cell, name))
            for cell in map(_innermost, cells)
            for name in plain
            if hasattr(cell, name)
        ]
        try:
            for cell, name, _ in own:
                setattr(cell, name, plain[name])
            yield
        finally:
            for cell, name, value in own:
                setattr(cell, name, value)


def _innermost(cell: Cell) -> Cell:
    while isinstance(cell, ResidualCell):
        cell = cell.cell
    return cell


def sequence_layer(
    cell: Cell, kind: type[keras.layers.RNN] | None = None, **kwargs: Any
) -> keras.layers.RNN:
    """Keras's recurrent layer over a cell that is given; around a residual one's own cell.

    Args:
        cell: The cell.
        kind: The layer's class; None for the fused one of exactly Keras's own cells, the general
            one for any other, whose `call` a fused layer would not heed.
        kwargs: The layer's arguments.
    """
    cell = cell.cell if isinstance(cell, ResidualCell) else cell
    kwargs = {"return_sequences": True, "return_state": True, **kwargs}
    fused = {keras.layers.LSTMCell: keras.layers.LSTM, keras.layers.GRUCell: keras.layers.GRU}
    kind = kind or fused.get(type(cell))
    if kind is None:
        return keras.layers.RNN(cell, **kwargs)
    layer = kind(cell.units, **kwargs)
    layer.cell = cell
    return layer


@contextmanager
def dropout_drawn_before(
    cells: Sequence[Cell], features: Sequence[int], batch: int | Tensor, training: bool | None
) -> Iterator[None]:
    """Draw the cells' own dropout masks before a loop, which has to be pure, and drop them after.

    Keras's cells keep one mask for all steps of a sequence (variational dropout).

    Args:
        cells: The cells.
        features: How many features each of them reads.
        batch: B.
        training: Whether there is dropout.
    """
    forget_dropout(cells)
    try:
        for cell, size in zip(cells, features, strict=True):
            if training and hasattr(cell, "get_dropout_mask"):
                dtype = cell.compute_dtype
                cell.get_dropout_mask(ops.ones((batch, size), dtype=dtype))
                cell.get_recurrent_dropout_mask(
                    ops.ones((batch, state_sizes(cell)[0]), dtype=dtype)
                )
        yield
    finally:
        forget_dropout(cells)


def forget_dropout(cells: Sequence[Cell]) -> None:
    """Let no cell keep the dropout masks of a batch."""
    for cell in cells:
        if hasattr(cell, "reset_dropout_mask"):
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()
