"""Stacks of Keras RNN cells, listed bottom to top."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import keras
from keras import ops

from keras_attention import backend
from keras_attention.cells.protocol import Cell, state_sizes
from keras_attention.cells.residual import ResidualCell
from keras_attention.types import Tensor

CellStep: TypeAlias = Callable[[Sequence[Tensor], list[Tensor]], tuple[Tensor, list[Tensor]]]
"""A cell as a function: inputs and states in, output and next states out."""

States: TypeAlias = list[list[Tensor]]
"""The states of a stack, one list per cell."""

_CHANGING_CELLS = threading.RLock()


def as_stack(cell: Any) -> list[Cell]:
    """Return the cells of a stack, bottom to top.

    Args:
        cell: A cell, a list of them, or Keras's `StackedRNNCells`.

    Raises:
        TypeError: If any of them is not a Keras RNN cell.
        ValueError: If there are none.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        cell = cell.cells
    cells = list(cell) if isinstance(cell, list | tuple) else [cell]
    if not cells:
        raise ValueError(f"Argument `cell` must hold at least one cell. Received: cell={cell}")
    for item in cells:
        if isinstance(item, keras.layers.RNN):
            raise TypeError(
                "Argument `cell` must be a Keras RNN cell such as LSTMCell, not a layer such as "
                f"LSTM that runs one over a sequence. Received: cell={item!r}"
            )
        is_cell = isinstance(item, keras.layers.Layer) and hasattr(item, "state_size")
        if not is_cell or not all(isinstance(size, int) and size > 0 for size in state_sizes(item)):
            raise TypeError(
                "Argument `cell` must be a Keras RNN cell, a layer whose `state_size` is one or "
                f"several positive integers, or a list of such cells. Received: cell={item!r}"
            )
    return cells


def build_stack(cells: Sequence[Cell], features: Sequence[int]) -> None:
    """Create each cell's weights for the number of features that it reads."""
    for cell, size in zip(cells, features, strict=True):
        if not cell.built:
            cell.build((None, size))
            cell.built = True


def split_states(cells: Sequence[Cell], flat: Sequence[Tensor]) -> tuple[States, list[Tensor]]:
    """Split a flat list into the states of the cells, which come first, and the rest."""
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
    """Run a stack of cells, each of which reads the output of the one below.

    Args:
        steps: One step function per cell, bottom to top, from `cell_steps`, `sequence_steps` or
            `LoopedStack.steps`.
        inputs: The first cell's inputs, (B, .) each, or (B, T, .) for a whole sequence.
        states: The cells' states.
        beside: Additional inputs of every cell.

    Returns:
        The top cell's output and the next states.
    """
    after = []
    for step, own in zip(steps, states, strict=True):
        output, new = step([*inputs, *beside], own)
        after.append(new)
        inputs = [output]
    return output, after


def cell_steps(cells: Sequence[Cell]) -> list[CellStep]:
    """Return one step function per cell, which calls the cell as Keras does."""
    return [partial(_step, cell) for cell in cells]


def _step(
    cell: Cell, inputs: Sequence[Tensor], states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    output, after = cell(ops.concatenate(inputs, axis=-1), states)
    return output, list(after) if isinstance(after, list | tuple) else [after]


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate along the last axis, without a copy if there is nothing to concatenate."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def next_states(
    before: Sequence[Tensor], after: Iterable[Tensor], mask: Tensor | None = None
) -> list[Tensor]:
    """The states after a step of a loop, in the dtypes of those before it, as a loop requires.

    Args:
        before: The states before the step, (B, .) each.
        after: The states after it.
        mask: (B,), 0 where the states stay as they are; None if there are no such rows.
    """
    new = [ops.cast(y, x.dtype) for x, y in zip(before, after, strict=True)]
    if mask is None:
        return new
    valid = ops.expand_dims(mask, 1) > 0.0
    return [ops.where(valid, y, x) for x, y in zip(before, new, strict=True)]


@contextmanager
def dropout_in_training_only(cells: Sequence[Cell], training: bool | None) -> Iterator[None]:
    """Turn off the dropout of Keras cells, except in training.

    Keras layers always draw dropout masks, which puts assignments to random states into an exported
    graph. A cell with recurrent dropout also takes a slow path, which is never fused. Only one
    thread at a time may change the cells: a second one would take the first one's zeros for the
    cells' own values and restore those.
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


@contextmanager
def dropout_drawn_before(
    cells: Sequence[Cell], features: Sequence[int], batch: int | Tensor, training: bool | None
) -> Iterator[None]:
    """Draw the cells' dropout masks before a loop, which must be pure, and discard them after it.

    Keras cells use one mask for all steps of a sequence (variational dropout).

    Args:
        cells: The cells.
        features: How many features each of them reads.
        batch: B.
        training: Whether to apply dropout.
    """
    forget_dropout(cells)
    try:
        for cell, size in zip(map(_innermost, cells), features, strict=True):
            if training and hasattr(cell, "get_dropout_mask"):
                sizes, dtype = (size, state_sizes(cell)[0]), cell.compute_dtype
                inputs, state = (ops.ones((batch, width), dtype=dtype) for width in sizes)
                _draw_mask(cell, "_dropout_mask", cell.dropout, inputs)
                _draw_mask(cell, "_recurrent_dropout_mask", cell.recurrent_dropout, state)
                # A cell that overrides these methods draws now, outside of the loop.
                cell.get_dropout_mask(inputs)
                cell.get_recurrent_dropout_mask(state)
        yield
    finally:
        forget_dropout(cells)


def _draw_mask(cell: Cell, name: str, rate: float, ones: Tensor) -> None:
    """As the cell would: one mask for each gate, or one for all of them."""
    if rate:
        count = getattr(cell, "dropout_mask_count", None)
        masks = [backend.dropout(ones, rate, cell.seed_generator) for _ in range(count or 1)]
        setattr(cell, name, masks if count else masks[0])


def forget_dropout(cells: Sequence[Cell]) -> None:
    """Discard the dropout masks that the cells keep from a batch."""
    for cell in cells:
        if hasattr(cell, "reset_dropout_mask"):
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()
