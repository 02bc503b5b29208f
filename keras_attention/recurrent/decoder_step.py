"""The equations of a decoder: of one step, and of all at once where none waits for attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.cells.looped import dense
from keras_attention.cells.stack import CellStep, run_stack, sequence_steps
from keras_attention.recurrent.decoder_arguments import StateLayout, check_memory
from keras_attention.recurrent.query_times import Query, kept_cells
from keras_attention.types import Tensor


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
        return StateLayout(kept_cells(self.query, self.cells), self.feeds_back)

    def __call__(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        memory: Memory | None,
        drawn: dict[str, Tensor],
        steps: Sequence[CellStep],
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """One step; parts may compute in other types, the state keeps its own.

        Args:
            inputs: x_t, (B, D).
            state: The flat state before the step.
            memory: What is attended to; None without attention.
            drawn: What the attention's `draw` gave for this step, (B, S) each.
            steps: The cells, for one step.

        Returns:
            o_t (B, .), weights (B, S) or None without attention, next state.
        """
        states, fed_back, alignment = self.layout.split(state)
        if self.attention is None or memory is None:
            check_memory(memory, self.attention)
            output, states = run_stack(steps, [inputs], states)
            return self._combine(output), None, _typed_like(state, chain(*states))
        if self.query == "previous":  # c_t = attend(s_{t-1}), s_t = cell([x_t; c_t], s_{t-1})
            query = states[-1][0]
            context, weights, aligned = self.attention.step(query, memory, alignment, drawn)
            output, states = run_stack(steps, [inputs, context, *fed_back], states)
        elif self.query != "current":  # s'_t = cell_1([x_t; a_{t-1}], .), c_t = attend(s'_t)
            output, lower = run_stack(steps[:1], [inputs, *fed_back], states[:1])
            context, weights, aligned = self.attention.step(output, memory, alignment, drawn)
            if self.query == "between":  # s_t = cell_2(c_t, s'_t)
                output, states = run_stack(steps[1:], [context], [*lower, *states[1:]])
            else:  # each above reads [output of the one below; c_t]
                output, upper = run_stack(steps[1:], [output], states[1:], [context])
                states = [*lower, *upper]
        else:  # s_t = cell([x_t; a_{t-1}], s_{t-1}), c_t = attend(s_t)
            output, states = run_stack(steps, [inputs, *fed_back], states)
            context, weights, aligned = self.attention.step(output, memory, alignment, drawn)
        output = self._combine(output, context)  # o_t = f([s_t; c_t])
        vector = context if self.attention_layer is None else output
        after = [*chain(*states), *([vector] * self.feeds_back), *aligned]
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
        states, _, alignment = self.layout.split(state)
        steps = sequence_steps(self.cells, recurrent_layers, mask, training)
        count = 1 if self.query == "bottom" else len(steps)
        outputs, after = run_stack(steps[:count], [inputs], states[:count])
        weights = None
        if self.attention is None or memory is None:
            outputs = self._combine(outputs)
        else:
            context, weights, aligned = self.attention.attend(
                outputs, memory, tuple(alignment), drawn
            )
            if self.query == "bottom":
                outputs, upper = run_stack(steps[1:], [outputs], states[1:], [context])
                after += upper
            alignment = list(aligned)
            outputs = self._combine(outputs, context)
        if mask is not None:
            valid = ops.expand_dims(mask, -1)
            outputs = ops.where(valid, outputs, 0.0)
            weights = weights if weights is None else ops.where(valid, weights, 0.0)
        return outputs, weights, [*chain(*after), *alignment]

    def _combine(self, *parts: Tensor) -> Tensor:
        combined = ops.concatenate(parts, axis=-1)
        if self.attention_layer is not None:
            combined = dense(self.attention_layer, combined)
        return ops.cast(combined, self.dtype)


def _typed_like(before: Sequence[Tensor], after: Iterable[Tensor]) -> list[Tensor]:
    """The tensors of the next state in the types of the last one, as a loop asks."""
    return [ops.cast(new, old.dtype) for old, new in zip(before, after, strict=True)]
