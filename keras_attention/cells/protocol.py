"""What Keras RNN cells have in common: state and output sizes, and how to call them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor

Cell = Any


def state_sizes(cell: Cell) -> list[int]:
    """The sizes of a cell's states, always as a list."""
    sizes = cell.state_size
    return [sizes] if isinstance(sizes, int) else list(sizes)


def stack_state_sizes(cells: Sequence[Cell]) -> list[int]:
    """The sizes of all states of a stack, as a flat list, bottom to top."""
    return [size for cell in cells for size in state_sizes(cell)]


def output_size(cell: Cell) -> int:
    """The size of a cell's output."""
    return int(getattr(cell, "output_size", None) or state_sizes(cell)[0])


def zero_states(cells: Sequence[Cell], batch: int | Tensor, dtype: str) -> list[Tensor]:
    """The initial states of a stack, all zero, as a flat list."""
    return [ops.zeros((batch, size), dtype=dtype) for size in stack_state_sizes(cells)]


def symbolic_states(cells: Sequence[Cell], batch: int | None, dtype: str) -> list[Tensor]:
    """The states of a stack as a flat list of symbolic tensors."""
    return [keras.KerasTensor((batch, size), dtype=dtype) for size in stack_state_sizes(cells)]


def training_option(cell: Cell, training: bool | None) -> dict[str, Any]:
    """`training` as a keyword argument, if the cell's `call` accepts it."""
    return {"training": training} if "training" in signature(cell.call).parameters else {}
