"""One step of a decoder, for any query time: from one flat state to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.cells.looped import dense
from keras_attention.cells.stack import CellStep, next_states, run_stack
from keras_attention.recurrent.decoder_arguments import StateLayout
from keras_attention.recurrent.query_times import Attended, QueryTime
from keras_attention.types import Tensor


class DecoderStep(NamedTuple):
    """One step of an `AttentionDecoder`; see there for the formula.

    Attributes:
        layout: The order of the tensors in the flat state.
        cells: The cells, bottom to top.
        attention: An attention layer, or None.
        query_time: When to query, with the equations of cells and attention.
        attention_layer: f, or None.
    """

    layout: StateLayout
    cells: Sequence[Any]
    attention: AttentionLayer | None
    query_time: QueryTime
    attention_layer: keras.layers.Layer | None

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers that a step calls, other than the cells."""
        return [x for x in (self.attention, self.attention_layer) if x is not None]

    def __call__(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        memory: Memory | None,
        drawn: dict[str, Tensor],
        steps: Sequence[CellStep],
        at_once: bool = False,
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """Run one step, or all at once.

        The state keeps its dtypes, even if the layers compute in others.

        Args:
            inputs: x_t, (B, D); at once, (B, T, D).
            state: The flat state before the step.
            memory: From the attention's `prepare`; None without attention.
            drawn: The result of the attention's `draw` for this step, (B, S) each; at once,
                (B, T, S) each.
            steps: The cells as functions, for one step or for all.
            at_once: Whether to run all steps at once.

        Returns:
            o_t (B, .), weights (B, S) or None without attention, next state; at once, (B, T, .),
            (B, T, S) and the last state.
        """
        states, fed_back, alignment = self.layout.split(state)
        if self.attention is None or memory is None:
            output, states = run_stack(steps, [inputs], states)
            return self._combine(output), None, next_states(state, chain(*states))
        ask = self.attention.attend if at_once else self.attention.step

        def attend(query: Tensor) -> Attended:
            return Attended(*ask(query, memory, tuple(alignment), drawn))

        output, attended, states = self.query_time.run([inputs, *fed_back], states, steps, attend)
        output = self._combine(output, attended.context)  # o_t = f([s_t; c_t])
        vector = attended.context if self.attention_layer is None else output
        after = [*chain(*states), *([vector] * self.layout.feeds_back), *attended.state]
        return output, attended.weights, next_states(state, after)

    def _combine(self, *parts: Tensor) -> Tensor:
        combined = ops.concatenate(parts, axis=-1)
        if self.attention_layer is not None:
            combined = dense(self.attention_layer, combined)
        return ops.cast(combined, self.layout.dtype)
