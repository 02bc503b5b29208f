"""What a decoder is made and called with: its flat state's layout, checks of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.attention.base import check_values, context_size, shape_of
from keras_attention.cells.protocol import stack_state_sizes, symbolic_states, zero_states
from keras_attention.cells.stack import States, split_states
from keras_attention.checks import check_rank, check_shape
from keras_attention.types import Tensor


class StateLayout(NamedTuple):
    """Which tensors of the flat state are what: cells, what is fed back, alignment.

    Attributes:
        cells: Those whose states come first.
        fed_back: Features of what is fed back, which follows; 0 for nothing. What then remains is
            the alignment's.
        dtype: Of all but the alignment's.
    """

    cells: Sequence[Any]
    fed_back: int
    dtype: str

    @property
    def feeds_back(self) -> bool:
        """Whether something is fed back."""
        return self.fed_back > 0

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

    def spec(self, batch: int | None) -> list[Tensor]:
        """Symbolic tensors like those of the state, but for the alignment's."""
        feed = [keras.KerasTensor((batch, self.fed_back), dtype=self.dtype)] * self.feeds_back
        return symbolic_states(self.cells, batch, self.dtype) + feed

    def first(
        self,
        batch: int | Tensor,
        alignment: Sequence[Tensor],
        given: Sequence[Tensor] | Tensor | None,
    ) -> list[Tensor]:
        """The full state before the first step, zeros but for what is given.

        Args:
            batch: B.
            alignment: The first state of the alignment.
            given: The states of the cells (of a single one, the tensor will do), or of everything;
                None for nothing.

        Raises:
            ValueError: If the number or the shapes of the states are others.
        """
        feed = [ops.zeros((batch, self.fed_back), self.dtype)] * self.feeds_back
        zeros = [*zero_states(self.cells, batch, self.dtype), *feed, *alignment]
        if given is None:
            return zeros
        given = given if isinstance(given, list | tuple) else [given]
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


def batch_size_of(memory: Memory | None, cell_states: Any) -> int | Tensor:
    """B, or the error that says that it follows from nothing."""
    known = keras.tree.flatten((cell_states, None if memory is None else memory.values))
    known = [x for x in known if x is not None]
    if not known:
        raise ValueError(
            "Argument `batch_size` must be given where neither `memory` nor `cell_states` is. "
            "Received: batch_size=None"
        )
    return ops.shape(known[0])[0]


def check_inputs(
    inputs: Tensor, inputs_mask: Tensor | None, reads_output: Tensor | None, units: int
) -> None:
    """Raise `ValueError` where inputs, and what there is for each of them, do not fit together.

    Args:
        inputs: (B, T, D).
        inputs_mask: (B, T), or None.
        reads_output: (B, T) where outputs are read instead of inputs, or None.
        units: Features of an output.
    """
    check_rank("inputs", inputs.shape, "(batch, length, features)")
    for name, x in {"inputs_mask": inputs_mask, "reads_output": reads_output}.items():
        if x is not None:
            check_shape(name, x.shape, "inputs", inputs.shape[:2])
    if reads_output is not None and inputs.shape[-1] != units:
        raise ValueError(
            "Argument `reads_output` needs outputs of the inputs' size. "
            f"Received: inputs.shape={tuple(inputs.shape)}, outputs of {units} features"
        )


def check_without_attention(return_attention_scores: bool, reads_output: Tensor | None) -> None:
    """Raise `ValueError` where something is asked of a decoder that takes an attention."""
    if return_attention_scores:
        raise ValueError(
            "Argument `return_attention_scores` needs an attention. "
            "Received: return_attention_scores=True, attention=None"
        )
    if reads_output is not None:
        raise ValueError(
            "Argument `reads_output` needs an attention. Received: reads_output, attention=None"
        )


def check_memory(
    memory: Any,
    memory_mask: Any,
    attention: AttentionLayer | None,
    features: int,
    batch: int | None = None,
) -> None:
    """Raise `ValueError` unless a memory is one for this attention.

    Args:
        memory: (B, S, M), or a list of such; None without attention.
        memory_mask: (B, S), or a list of such, or None.
        attention: The attention layer, or None.
        features: Of the context that it was built for.
        batch: B of the inputs, as far as it is known.
    """
    check_is_given(memory, attention)
    if attention is None:
        return
    check_values(attention, memory, name="memory", memory_mask=memory_mask)
    for one in keras.tree.flatten(memory):
        check_shape("memory", one.shape[:1], "inputs", (batch,))
    shape = shape_of(memory)
    if context_size(attention, shape, "memory") not in (None, features):
        raise ValueError(
            f"Argument `memory` must have the {features} features that the layer was built for. "
            f"Received: memory.shape={shape}"
        )


def check_is_given(memory: Any, attention: AttentionLayer | None) -> None:
    """Raise `ValueError` unless there is a memory exactly where there is an attention."""
    if (memory is None) != (attention is None):
        expected = "must be given with" if memory is None else "cannot be used without"
        raise ValueError(
            f"Argument `memory` {expected} an attention. "
            f"Received: memory={'None' if memory is None else 'a tensor'}, "
            f"attention={attention}"
        )
