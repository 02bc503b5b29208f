"""The equations of a decoder: of one step, and of all at once where none waits for attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.cells.looped import dense
from keras_attention.cells.protocol import stack_state_sizes, state_sizes
from keras_attention.cells.stack import run_stack_over_sequence
from keras_attention.recurrent.decoder_arguments import StateLayout, check_memory
from keras_attention.recurrent.query_times import Query, kept_cells
from keras_attention.types import Tensor

FIRST, OTHERS = slice(0, 1), slice(1, None)


class RunCells(Protocol):
    """How to run the cells, all or some."""

    def __call__(
        self,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor],
        which: slice = slice(None),
        beside: Sequence[Tensor] = (),
    ) -> tuple[Tensor, list[Tensor]]:
        """Run them.

        Args:
            inputs: What the first of them reads (inputs of the target, then what attention adds).
            states: Their flat states.
            which: Which cells.
            beside: What each of them reads besides.

        Returns:
            The top output, the next flat states.
        """


class DecoderStep(NamedTuple):
    """A step of `AttentionDecoder`, which explains the formula.

    Attributes:
        cells: From the bottom to the top.
        attention: An attention layer, or None.
        query: When attention is asked: before, after or between the cells.
        feeds_back: Whether what was attended to joins the next input.
        attention_layer: f, or None.
        dtype: Of the outputs.
    """

    cells: Sequence[Any]
    attention: AttentionLayer | None
    query: Query
    feeds_back: bool
    attention_layer: keras.layers.Layer | None
    dtype: str

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers that a step calls besides the cells."""
        return [x for x in (self.attention, self.attention_layer) if x is not None]

    @property
    def layout(self) -> StateLayout:
        """What is where in the flat state."""
        kept = kept_cells(self.query, self.cells)
        return StateLayout(len(stack_state_sizes(kept)), self.feeds_back)

    def __call__(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        memory: Memory | None,
        drawn: dict[str, Tensor],
        run_cells: RunCells,
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """One step; parts may compute in other types, the state keeps its own.

        Args:
            inputs: x_t, (B, D).
            state: The flat state before the step.
            memory: What is attended to; None without attention.
            drawn: What the attention's `draw` gave for this step, (B, S) each.
            run_cells: How to run the cells.

        Returns:
            o_t (B, .), weights (B, S) or None without attention, next state.
        """
        cells, fed_back, alignment = self.layout.split(state)
        if self.attention is None or memory is None:
            check_memory(memory, self.attention)
            output, cells = run_cells([inputs], cells)
            return self._combine(output), None, _typed_like(state, cells)
        if self.query == "previous":  # c_t = attend(s_{t-1}), s_t = cell([x_t; c_t], s_{t-1})
            top = len(cells) - len(state_sizes(self.cells[-1]))
            context, weights, aligned = self.attention.step(cells[top], memory, alignment, drawn)
            output, cells = run_cells([inputs, context, *fed_back], cells)
        elif self.query != "current":  # s'_t = cell_1([x_t; a_{t-1}], .), c_t = attend(s'_t)
            n = len(state_sizes(self.cells[0]))
            output, lower = run_cells([inputs, *fed_back], cells[:n], FIRST)
            context, weights, aligned = self.attention.step(output, memory, alignment, drawn)
            if self.query == "between":  # s_t = cell_2(c_t, s'_t)
                output, cells = run_cells([context], [*lower, *cells[n:]], OTHERS)
            else:  # each above reads [output of the one below; c_t]
                output, upper = run_cells([output], cells[n:], OTHERS, [context])
                cells = [*lower, *upper]
        else:  # s_t = cell([x_t; a_{t-1}], s_{t-1}), c_t = attend(s_t)
            output, cells = run_cells([inputs, *fed_back], cells)
            context, weights, aligned = self.attention.step(output, memory, alignment, drawn)
        output = self._combine(output, context)  # o_t = f([s_t; c_t])
        vector = context if self.attention_layer is None else output
        after = [*cells, *([vector] * self.feeds_back), *aligned]
        return output, weights, _typed_like(state, after)

    def at_once(
        self,
        recurrent_layers: Sequence[keras.layers.RNN],
        inputs: Tensor,
        mask: Tensor | None,
        memory: Memory | None,
        state: list[Tensor],
        drawn: dict[str, Tensor],
        training: bool | None,
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """All steps: nothing is fed back, so Keras's recurrent layers run first.

        Args:
            recurrent_layers: Over the cells.
            inputs: (B, T, D).
            mask: Boolean (B, T), False where a step is padding, or None.
            memory: As in a step.
            state: As in a step.
            drawn: What the attention's `draw` gave, (B, T, S) each.
            training: Whether the recurrent layers drop features.

        Returns:
            Outputs (B, T, .), weights (B, T, S) or None, both zero on padding, and the last state.
        """
        cells, _, alignment = self.layout.split(state)
        before = FIRST if self.query == "bottom" else slice(None)
        n = len(stack_state_sizes(self.cells[before]))
        outputs, lower = run_stack_over_sequence(
            self.cells[before], recurrent_layers[before], inputs, cells[:n], mask, training
        )
        weights = None
        upper: list[Tensor] = []
        if self.attention is None or memory is None:
            outputs = self._combine(outputs)
        else:
            context, weights, aligned = self.attention.attend(
                outputs, memory, tuple(alignment), drawn
            )
            if self.query == "bottom":
                above = self.cells[OTHERS], recurrent_layers[OTHERS]
                outputs, upper = run_stack_over_sequence(
                    *above, outputs, cells[n:], mask, training, [context]
                )
            alignment = list(aligned)
            outputs = self._combine(outputs, context)
        if mask is not None:
            valid = ops.expand_dims(mask, -1)
            outputs = ops.where(valid, outputs, 0.0)
            weights = weights if weights is None else ops.where(valid, weights, 0.0)
        return outputs, weights, [*lower, *upper, *alignment]

    def _combine(self, *parts: Tensor) -> Tensor:
        combined = ops.concatenate(parts, axis=-1)
        if self.attention_layer is not None:
            combined = dense(self.attention_layer, combined)
        return ops.cast(combined, self.dtype)


def _typed_like(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[Tensor]:
    """The tensors of the next state in the types of the last one, as a loop asks."""
    return [ops.cast(new, old.dtype) for old, new in zip(before, after, strict=True)]
