"""The layout of a decoder's flat state, and checks of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.attention.base import check_prepared, check_values, context_size, shape_of
from keras_attention.cells.protocol import stack_state_sizes, symbolic_states, zero_states
from keras_attention.cells.stack import States, split_states
from keras_attention.checks import check_mask, check_sequence, check_shape
from keras_attention.types import Nest, Tensor


class StateLayout(NamedTuple):
    """The order of a flat state's tensors: the cells' states, the fed-back vector, the alignment's.

    Attributes:
        cells: The cells whose states come first.
        fed_back: Features of the fed-back vector, which follows; 0 if there is none. All remaining
            tensors are the alignment's.
        dtype: Dtype of all tensors except the alignment's.
    """

    cells: Sequence[Any]
    fed_back: int
    dtype: str

    @property
    def feeds_back(self) -> bool:
        """Whether a vector is fed back."""
        return self.fed_back > 0

    def split(self, state: Sequence[Tensor]) -> tuple[States, list[Tensor], list[Tensor]]:
        """Split a state into the cells' states, the fed-back vector (one or none) and the rest."""
        states, rest = split_states(self.cells, state)
        return states, rest[: self.feeds_back], rest[self.feeds_back :]

    def check(self, state: Sequence[Tensor]) -> None:
        """Raise `ValueError` if a state has too few tensors for the decoder."""
        expected = len(stack_state_sizes(self.cells)) + self.feeds_back
        if len(state) < expected:
            raise ValueError(
                "Argument `state` must hold the tensors that `initial_state` returns, at least "
                f"{expected}. Received: {len(state)} tensors"
            )

    def spec(self, batch: int | None) -> list[Tensor]:
        """Return the state's symbolic tensors, except the alignment's."""
        feed = [keras.KerasTensor((batch, self.fed_back), dtype=self.dtype)] * self.feeds_back
        return symbolic_states(self.cells, batch, self.dtype) + feed

    def first(
        self,
        batch: int | Tensor,
        alignment: Sequence[Tensor],
        given: Nest | None,
    ) -> list[Tensor]:
        """Return the full state before the first step: zeros, except for what is given.

        Args:
            batch: B.
            alignment: The alignment's initial state.
            given: The cells' states, flat or one list per cell (or the tensor itself, if there is
                only one), or a full state; None means zeros.

        Raises:
            ValueError: If the number or shapes of the states do not match the decoder.
        """
        feed = [ops.zeros((batch, self.fed_back), self.dtype)] * self.feeds_back
        zeros = [*zero_states(self.cells, batch, self.dtype), *feed, *alignment]
        if given is None:
            return zeros
        given = keras.tree.flatten(given)
        of_cells = len(stack_state_sizes(self.cells))
        if len(given) not in (of_cells, len(zeros)):
            raise ValueError(
                f"Argument `initial_state` must hold the {of_cells} states of the cells, or all "
                f"{len(zeros)} tensors of the decoder's state; `Bridge` makes the former of an "
                f"encoder's. Received: {len(given)} states"
            )
        for i, (state, zero) in enumerate(zip(given, zeros, strict=False)):
            check_shape(f"initial_state[{i}]", state.shape, "the cells", zero.shape)
        given = [ops.cast(x, zero.dtype) for x, zero in zip(given, zeros, strict=False)]
        return given + zeros[len(given) :]


def batch_size_of(memory: Memory | None, cell_states: Any) -> int | Tensor:
    """Return B; raise `ValueError` if neither the memory nor the states are given."""
    if memory is not None:
        check_prepared(memory)
    known = keras.tree.flatten((cell_states, None if memory is None else memory.values))
    known = [x for x in known if x is not None]
    if not known:
        raise ValueError(
            "Argument `batch_size` is required if `memory` and `cell_states` are None. "
            "Received: batch_size=None"
        )
    return ops.shape(known[0])[0]


def check_inputs(
    inputs: Tensor, inputs_mask: Tensor | None, reads_output: Tensor | None, units: int
) -> None:
    """Raise `ValueError` unless `inputs`, `inputs_mask` and `reads_output` match and hold a step.

    Args:
        inputs: (B, T, D).
        inputs_mask: (B, T), or None.
        reads_output: (B, T), True where a step reads the previous output, or None.
        units: Features of an output.
    """
    check_sequence("inputs", inputs.shape)
    if inputs_mask is not None:
        check_mask("inputs_mask", inputs_mask)
    for name, x in {"inputs_mask": inputs_mask, "reads_output": reads_output}.items():
        if x is not None:
            check_shape(name, x.shape, "inputs", inputs.shape[:2])
    if reads_output is not None and inputs.shape[-1] != units:
        raise ValueError(
            "Argument `reads_output` needs outputs of the same size as the inputs. "
            f"Received: inputs.shape={tuple(inputs.shape)}, outputs of {units} features"
        )


def check_without_attention(return_attention_scores: bool, reads_output: Tensor | None) -> None:
    """Raise `ValueError` if an argument of `call` needs the attention layer that is missing."""
    if return_attention_scores:
        raise ValueError(
            "Argument `return_attention_scores` needs an attention layer. "
            "Received: return_attention_scores=True, attention=None"
        )
    if reads_output is not None:
        raise ValueError(
            "Argument `reads_output` needs an attention layer. "
            "Received: reads_output, attention=None"
        )


def check_memory(
    memory: Any,
    memory_mask: Any,
    attention: AttentionLayer | None,
    features: int,
    batch: int | None = None,
) -> None:
    """Raise `ValueError` unless a memory matches its mask, the attention layer and the inputs.

    Args:
        memory: (B, S, M), or a list of memories; None without attention.
        memory_mask: (B, S), or a list of masks, or None.
        attention: The attention layer, or None.
        features: Features of the context that the layer was built for.
        batch: B of the inputs; None if unknown.
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
    """Raise `ValueError` unless memory and attention are both given or both None."""
    if (memory is None) != (attention is None):
        expected = "must be given with" if memory is None else "cannot be used without"
        raise ValueError(
            f"Argument `memory` {expected} an attention layer. "
            f"Received: memory={'None' if memory is None else 'a tensor'}, "
            f"attention={attention}"
        )
