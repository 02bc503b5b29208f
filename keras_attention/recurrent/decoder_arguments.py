"""What a decoder is made and called with: its flat state's layout, checks of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.base import check_values
from keras_attention.cells.protocol import stack_state_sizes
from keras_attention.cells.stack import States, split_states
from keras_attention.checks import check_rank, check_shape
from keras_attention.types import Tensor


class StateLayout(NamedTuple):
    """Which tensors of the flat state are what: cells, what is fed back, alignment.

    Attributes:
        cells: Those whose states come first.
        feeds_back: Whether one follows that is fed back. What then remains is the alignment's.
    """

    cells: Sequence[Any]
    feeds_back: bool

    def split(self, state: Sequence[Tensor]) -> tuple[States, list[Tensor], list[Tensor]]:
        """States cell by cell, what is fed back (one tensor or none), the alignment's state."""
        states, rest = split_states(self.cells, state)
        return states, rest[: self.feeds_back], rest[self.feeds_back :]

    def check(self, state: Sequence[Tensor]) -> None:
        """Raise `ValueError` where a state cannot be the decoder's."""
        expected = len(stack_state_sizes(self.cells)) + self.feeds_back
        if len(state) < expected:
            raise ValueError(
                f"Argument `state` must hold the {expected} tensors that `initial_state` gives. "
                f"Received: {len(state)} tensors"
            )

    def completed(self, given: Sequence[Tensor] | None, zeros: list[Tensor]) -> list[Tensor]:
        """The state that starts with what is given.

        Args:
            given: The states of the cells, or of everything; None for nothing.
            zeros: The full state before anything was read.

        Raises:
            ValueError: If the number or the shapes of the states are others.
        """
        if given is None:
            return zeros
        for i, (state, zero) in enumerate(zip(given, zeros, strict=False)):
            check_shape(f"initial_state[{i}]", state.shape, "the cells", zero.shape)
        of_cells = len(stack_state_sizes(self.cells))
        if len(given) not in (of_cells, len(zeros)):
            raise ValueError(
                f"Argument `initial_state` must hold the {of_cells} states of the cells, or all "
                f"{len(zeros)} of the decoder. Received: {len(given)} states"
            )
        given = [ops.cast(x, zero.dtype) for x, zero in zip(given, zeros, strict=False)]
        return given + zeros[len(given) :]


def check_call(
    inputs: Tensor,
    memory: Tensor | None,
    inputs_mask: Tensor | None,
    memory_mask: Tensor | None,
    return_attention_scores: bool,
    attention: Any,
) -> None:
    """Raise `ValueError` where the arguments of a call do not fit together."""
    check_rank("inputs", inputs.shape, "(batch, length, features)")
    check_memory(memory, attention)
    if inputs_mask is not None:
        check_shape("inputs_mask", inputs_mask.shape, "inputs", inputs.shape[:2])
    if memory is not None:
        check_values(attention, memory, name="memory", memory_mask=memory_mask)
        for one in keras.tree.flatten(memory):
            check_shape("memory", one.shape[:1], "inputs", inputs.shape[:1])
    if return_attention_scores and attention is None:
        raise ValueError(
            "Argument `return_attention_scores` needs an attention. "
            "Received: return_attention_scores=True, attention=None"
        )


def check_reads_output(
    inputs: Tensor, reads_output: Tensor | None, units: int, attention: Any
) -> None:
    """Raise `ValueError` where outputs cannot be read instead of inputs."""
    if reads_output is None:
        return
    check_shape("reads_output", reads_output.shape, "inputs", inputs.shape[:2])
    if attention is None:
        raise ValueError(
            "Argument `reads_output` needs an attention. Received: reads_output, attention=None"
        )
    if inputs.shape[-1] != units:
        raise ValueError(
            "Argument `reads_output` needs outputs of the inputs' size. "
            f"Received: inputs.shape={tuple(inputs.shape)}, outputs of {units} features"
        )


def check_memory(memory: Any, attention: Any) -> None:
    """Raise `ValueError` unless there is a memory exactly where there is an attention."""
    if (memory is None) != (attention is None):
        expected = "must be given with" if memory is None else "cannot be used without"
        raise ValueError(
            f"Argument `memory` {expected} an attention. "
            f"Received: memory={'None' if memory is None else 'a tensor'}, "
            f"attention={attention}"
        )
