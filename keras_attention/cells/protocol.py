"""What Keras's RNN cells have in common: sizes of states and outputs, how they are called."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor

Cell = Any


def state_sizes(cell: Cell) -> list[int]:
    """The sizes of a cell's states, as a list also where there is only one."""
    sizes = cell.state_size
    return [sizes] if isinstance(sizes, int) else list(sizes)


def stack_state_sizes(cells: Sequence[Cell]) -> list[int]:
    """The sizes of all states of a stack, flat, from the bottom to the top."""
    return [size for cell in cells for size in state_sizes(cell)]


def output_size(cell: Cell) -> int:
    """The size of a cell's output."""
    return int(getattr(cell, "output_size", None) or state_sizes(cell)[0])


def zero_states(cells: Sequence[Cell], batch: int | Tensor, dtype: str) -> list[Tensor]:
    """The flat states of a stack before it has read anything."""
    return [ops.zeros((batch, size), dtype=dtype) for size in stack_state_sizes(cells)]


def symbolic_states(cells: Sequence[Cell], batch: int | None, dtype: str) -> list[Tensor]:
    """The flat states of a stack as symbolic tensors."""
    return [keras.KerasTensor((batch, size), dtype=dtype) for size in stack_state_sizes(cells)]


def training_option(cell: Cell, training: bool | None) -> dict[str, Any]:
    """`training` as a keyword argument of a cell, if it has one."""
    return {"training": training} if "training" in signature(cell.call).parameters else {}
