"""The attention decoder: recurrent cells with attention in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.attention.base import context_size, memory_length, state_spec
from keras_attention.attention.report import report
from keras_attention.cells.protocol import output_size, state_sizes
from keras_attention.cells.sequence import sequence_layer
from keras_attention.cells.stack import (
    as_stack,
    build_stack,
    cell_steps,
    dropout_drawn_before,
    dropout_in_training_only,
)
from keras_attention.checks import check_one_of, check_part, check_sequence, checked_mask
from keras_attention.masking import unmasked
from keras_attention.parts import Composite
from keras_attention.recurrent.decoder_arguments import (
    StateLayout,
    batch_size_of,
    check_inputs,
    check_is_given,
    check_memory,
    check_without_attention,
)
from keras_attention.recurrent.decoder_loop import run_at_once, run_loop
from keras_attention.recurrent.decoder_step import DecoderStep
from keras_attention.recurrent.query_times import QUERY_TIMES, Query
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionDecoder(Composite):
    """Recurrent cells that attend to a memory at every step.

    Formula, where x_t is a step's input, s_t the cells' output, c_t the context, o_t the step's
    output, and f is `attention_layer`, or the identity if that is None:

    - `query="previous"` (Bahdanau): `c_t = attend(s_{t-1})`, `s_t = cell([x_t; c_t], s_{t-1})`
    - `query="current"` (Luong): `s_t = cell([x_t; a_{t-1}], s_{t-1})`, `c_t = attend(s_t)`, where
      the fed-back a_t is o_t if there is an `attention_layer`, else c_t; a_0 is zero
    - `query="between"` (conditional GRU; Sennrich): `s'_t = cell_1(x_t, s_{t-1})`,
      `c_t = attend(s'_t)`, `s_t = cell_2(c_t, s'_t)`: the two lowest cells share one state
    - `query="bottom"` (GNMT; Wu): `y_t^1 = cell_1(x_t, .)`, `c_t = attend(y_t^1)` and
      `y_t^n = cell_n([y_t^{n-1}; c_t], .)`: the bottom cell queries, all above read the context
    - always: `o_t = f([s_t; c_t])`

    Without attention, it is a plain decoder: `o_t = f(s_t)`.

    The state is a flat list of tensors: the cells' states, bottom to top (only once for two cells
    that share it), then the fed-back vector, if there is one, then the alignment's state, if it has
    one. The layer stores nothing about a batch.

    Args:
        cell: A Keras RNN cell, or several, bottom to top: a list or `StackedRNNCells`.
        attention: An attention layer, or None for a decoder without attention.
        query: What to query with: `"current"`, the new output of the top cell; `"previous"`, the
            top cell's first state before the step; `"between"` or `"bottom"`, the new output of the
            bottom cell, before the others run. The last two need at least two cells. With
            `"between"`, further cells are stacked on top of the two.
        input_feeding: Whether to concatenate the previous attention vector to the next input. None
            means True for `"current"`, and False for the others, where c_t enters a cell anyway.
            With `"previous"`, only the output of an `attention_layer` can be fed back.
        attention_layer: A layer applied to `[s_t; c_t]`, for example
            `keras.layers.Dense(512, activation="tanh", use_bias=False)` (Luong's equation 5), or
            None. In a loop on JAX, it cannot draw random numbers, as dropout does. Its activity
            regularizer applies to the outputs (B, T, .), which are zero on padding. Losses that it
            adds at a step are summed over the steps.

    Call arguments:
        inputs: (B, T, D).
        memory: (B, S, M), or a list of memories for `MultiSource`; None without attention.
        inputs_mask: Boolean (B, T), False on padding, where the state does not change, and outputs
            and weights are zero. Keras fills it in from the mask that `inputs` carries.
        memory_mask: Boolean (B, S), True where a position may be attended to, or a list of masks.
            Keras fills it in from the mask that `memory` carries.
        initial_state: The cells' states, flat or one list per cell, or a full state; None means
            zeros.
        reads_output: Boolean (B, T), True where a step reads the previous output instead of its
            input; gradients flow through it. The first step always reads its input. Outputs and
            inputs must have the same size. See `ScheduledOutputs`.
        return_attention_scores: Whether to return the weights (B, T, S) as well.
        return_state: Whether to return the tensors of the state after the last step as well.
        training: Whether to apply dropout.

    Returns:
        Outputs (B, T, .), followed by the weights and the state's tensors if requested.

    Raises:
        ValueError: If there is attention without a memory, or a memory without attention; weights
            are requested without attention; the state has the wrong length; `input_feeding` is
            True, but there is nothing to feed back; or `query` needs more cells, or two that can
            share a state.
        TypeError: If `cell` is not a Keras RNN cell, `attention` is not an attention layer, or
            `attention_layer` is not a layer.

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> decoder = ka.AttentionDecoder(
        ...     keras.layers.LSTMCell(8), ka.BahdanauAttention(units=5), query="previous"
        ... )
        >>> inputs, memory = np.ones((2, 3, 4), "float32"), np.ones((2, 7, 6), "float32")
        >>> outputs, weights = decoder(inputs, memory=memory, return_attention_scores=True)
        >>> tuple(outputs.shape), tuple(weights.shape)
        ((2, 3, 14), (2, 3, 7))

    Reference: Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.2; Luong, Pham and Manning
    2015, sections 3 (equation 5) and 3.3 (input feeding); Sennrich et al. 2017 ("Nematus"), section
    2, which describes Firat and Cho's conditional GRU; Wu et al. 2016, section 3 and figure 1
    (where o_t does not include c_t).
    """

    def __init__(
        self,
        cell: Any,
        attention: AttentionLayer | None,
        query: Query = "current",
        input_feeding: bool | None = None,
        attention_layer: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells = as_stack(cell)
        check_one_of("query", query, tuple(QUERY_TIMES))
        check_part("attention_layer", attention_layer, keras.layers.Layer)
        self.query_time = QUERY_TIMES[query]
        self.query_time.check(self.cells, attention, input_feeding, attention_layer)
        self.cell = list(cell) if isinstance(cell, list | tuple) else cell
        self.attention = attention
        self.query = query
        self.input_feeding = input_feeding
        self.attention_layer = attention_layer
        self.supports_masking = True
        if attention is not None and not isinstance(attention, AttentionLayer):
            raise TypeError(
                "Argument `attention` must be an attention layer, such as BahdanauAttention, or "
                f"None. Received: attention={attention!r}"
            )
        if self._runs_over_sequence:
            self.recurrent_layers = [sequence_layer(c, dtype=c.dtype_policy) for c in self.cells]

    @property
    def feeds_back(self) -> bool:
        """Whether the state holds an attention vector to concatenate to the next input."""
        if self.attention is None:
            return False
        usual = self.query_time.feeds_back
        return usual if self.input_feeding is None else self.input_feeding

    @property
    def state_sizes(self) -> list[list[int]]:
        """The sizes of the cells' states, one list per cell, as `Bridge` takes them."""
        return [state_sizes(cell) for cell in self._kept_cells]

    @property
    def _kept_cells(self) -> list[Any]:
        return self.query_time.kept_cells(self.cells)

    @property
    def _runs_over_sequence(self) -> bool:
        """Whether no step waits for the attention of the one before, so that no loop is needed."""
        if self.attention is None:
            return True
        waits = self.feeds_back or self.attention.state_count
        return self.query_time.runs_at_once and not waits

    def build(self, inputs_shape: Shape, memory_shape: Shape | None = None) -> None:
        """Create the weights for inputs (B, T, D) and a memory (B, S, M)."""
        check_sequence("inputs", inputs_shape)
        check_is_given(memory_shape, self.attention)
        self.context_size = 0
        if self.attention is not None and memory_shape is not None:
            self.context_size = context_size(self.attention, memory_shape, "memory")
            if not self.attention.built:
                size = self.query_time.query_size(self.cells)
                self.attention.build((None, None, size), memory_shape)
        self.units = output_size(self.cells[-1]) + self.context_size
        if self.attention_layer is not None:
            if not self.attention_layer.built:
                self.attention_layer.build((None, self.units))
            self.units = self.attention_layer.compute_output_shape((None, self.units))[-1]
        sizes = (inputs_shape[-1], self.context_size, self._feed_size)
        self.input_sizes = tuple(self.query_time.input_sizes(self.cells, *sizes))
        build_stack(self.cells, self.input_sizes)
        self.built = True

    @property
    def _feed_size(self) -> int:
        if not self.feeds_back:
            return 0
        return self.context_size if self.attention_layer is None else self.units

    def call(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        initial_state: Sequence[Tensor] | None = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        reads_output: Tensor | None = None,
        training: bool | None = None,
    ) -> Any:
        """Decode a whole target (teacher forcing); see the class for arguments and results."""
        self._check_call(
            inputs, memory, inputs_mask, memory_mask, return_attention_scores, reads_output
        )
        batch, steps, _ = ops.shape(inputs)
        mask = None if inputs_mask is None else checked_mask(inputs_mask)
        inputs = unmasked(inputs, mask)
        prepared, drawn, alignment = None, {}, ()
        if self.attention is not None:
            prepared = self.attention.prepare(memory, value_mask=memory_mask)
            drawn = self.attention.draw(prepared, steps, training)
            alignment = self.attention.initial_state(prepared)
        state = self._layout.first(batch, alignment, initial_state)
        step = self._step
        with dropout_in_training_only(self.cells, training):
            if prepared is None or (self._runs_over_sequence and reads_output is None):
                outputs, weights, state = run_at_once(
                    step, self.recurrent_layers, inputs, mask, prepared, state, drawn, training
                )
            else:
                with dropout_drawn_before(self.cells, self.input_sizes, batch, training):
                    outputs, weights, state = run_loop(
                        step, inputs, mask, reads_output, prepared, state, drawn, training
                    )
        self._regularize(outputs)
        report(self, weights)
        results = [outputs] + [weights] * return_attention_scores + list(state) * return_state
        return results[0] if len(results) == 1 else tuple(results)

    def _regularize(self, outputs: Tensor) -> None:
        """Add what the activity regularizer of the attention layer makes of its outputs."""
        regularizer = getattr(self.attention_layer, "activity_regularizer", None)
        if regularizer is not None and self.attention_layer is not None:
            loss = regularizer(outputs)
            batch = ops.cast(ops.shape(outputs)[0], loss.dtype)
            self.attention_layer.add_loss(ops.divide_no_nan(loss, batch))

    def prepare(self, memory: Tensor | None, memory_mask: Tensor | None = None) -> Memory | None:
        """Return the memory for `step`, its keys projected once; None without attention.

        Args:
            memory: (B, S, M), a list of them for `MultiSource`, or None without attention.
            memory_mask: Boolean (B, S), True where a position may be attended to. None for the
                mask that Keras attached to the memory, if any, as in a call.
        """
        self._check_built()
        check_memory(memory, memory_mask, self.attention, self.context_size)
        if self.attention is None:
            return None
        return self.attention.prepare(memory, value_mask=memory_mask)

    def initial_state(
        self,
        memory: Memory | None = None,
        cell_states: Sequence[Tensor] | None = None,
        batch_size: int | Tensor | None = None,
    ) -> list[Tensor]:
        """Return the full state before the first step.

        Args:
            memory: From `prepare`; None without attention.
            cell_states: The cells' states, bottom to top; None means zeros. A full state is
                returned as it is.
            batch_size: B; required only if `memory` and `cell_states` are None.

        Returns:
            A flat list of tensors with B rows each.

        Raises:
            ValueError: If the layer is not built, the memory or the batch size is missing, or the
                number or shapes of the states do not match the decoder.
        """
        self._check_built()
        check_is_given(memory, self.attention)
        alignment = ()
        if self.attention is not None and memory is not None:
            alignment = self.attention.initial_state(memory)
        if batch_size is None:
            batch_size = batch_size_of(memory, cell_states)
        return self._layout.first(batch_size, alignment, cell_states)

    def step(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        memory: Memory | None = None,
        drawn: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """Decode one step, without dropout in the cells.

        Args:
            inputs: (B, D).
            state: From `initial_state` or the previous step.
            memory: From `prepare`; None without attention.
            drawn: The result of the attention's `draw` for this step; None outside training.

        Returns:
            Output (B, .), weights (B, S) or None without attention, next state.

        Raises:
            ValueError: If the layer is not built, the memory is missing, or the state does not
                match the decoder.
        """
        self._check_built()
        check_is_given(memory, self.attention)
        self._layout.check(state)
        with dropout_in_training_only(self.cells, training=False):
            inputs = ops.cast(inputs, self.compute_dtype)
            return self._step(inputs, state, memory, drawn or {}, cell_steps(self.cells))

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        initial_state: Sequence[Tensor] | None = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        reads_output: Tensor | None = None,
        training: bool | None = None,
    ) -> Any:
        """Return the symbolic results of `call`."""
        self._check_built()
        self._check_call(
            inputs, memory, inputs_mask, memory_mask, return_attention_scores, reads_output
        )
        batch, steps = inputs.shape[:2]
        dtype = self.compute_dtype
        results = [keras.KerasTensor((batch, steps, self.units), dtype=dtype)]
        attention = self.attention
        if return_attention_scores and attention is not None:
            shape = (batch, steps, memory_length(attention, memory))
            results.append(keras.KerasTensor(shape, dtype=attention.compute_dtype))
        if return_state:
            results += self._layout.spec(batch)
            results += [] if attention is None else state_spec(attention, memory)
        return results[0] if len(results) == 1 else tuple(results)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cell": serialize(self.cell),
            "attention": serialize(self.attention),
            "query": self.query,
            "input_feeding": self.input_feeding,
            "attention_layer": serialize(self.attention_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AttentionDecoder:
        """Create a layer from the result of `get_config`."""
        parts = {name: config.get(name) for name in ("cell", "attention", "attention_layer")}
        made = {k: keras.saving.deserialize_keras_object(v) for k, v in parts.items()}
        return super().from_config({**config, **made})

    @property
    def _layout(self) -> StateLayout:
        return StateLayout(self._kept_cells, self._feed_size, self.compute_dtype)

    @property
    def _step(self) -> DecoderStep:
        parts = self.cells, self.attention, self.query_time, self.attention_layer
        return DecoderStep(self._layout, *parts)

    def _check_call(
        self,
        inputs: Tensor,
        memory: Tensor | None,
        inputs_mask: Tensor | None,
        memory_mask: Tensor | None,
        return_attention_scores: bool,
        reads_output: Tensor | None,
    ) -> None:
        batch = inputs.shape[0]
        check_memory(memory, memory_mask, self.attention, self.context_size, batch)
        if self.attention is None:
            check_without_attention(return_attention_scores, reads_output)
        check_inputs(inputs, inputs_mask, reads_output, self.units)

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"Layer `{self.name}` has no weights yet: call the layer once, or call "
                "`build(inputs_shape, memory_shape)` first."
            )
