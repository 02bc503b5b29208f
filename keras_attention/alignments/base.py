"""The base of all alignments: how scores become weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.backend import scan
from keras_attention.types import Nest, Shape, Tensor

State = tuple[Tensor, ...]


class Alignment(keras.layers.Layer):
    """Base layer of all alignments: from scores (B, T, S) to weights of the same shape.

    A subclass says how to `align`, which weights that takes (`build`), what may be done once for a
    memory (`prepare`), and, if a step depends on the one before, of how many tensors its state is
    (`state_count`) and what it starts with (`initial_state`). An attention layer calls `align`; the
    layer itself is called to look at an alignment alone.

    Call arguments:
        scores: (B, T, S).
        value_mask: Boolean (B, S), True where a place may be attended, or None for everywhere.
        query: (B, T, D), for alignments that look at the query.
        key: (B, S, E), for alignments that look at the memory.

    Returns:
        Weights (B, T, S), zero where nothing may be attended.
    """

    state_count = 0
    """How many tensors the state has; where it has any, `align` takes one step at a time."""

    noise = 0.0
    """Standard deviation of the noise that training adds to the scores."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Make the weights: none, unless a subclass has some."""
        self.built = True

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """What `align` needs of the keys (B, S, E), computed once for a memory."""
        return ()

    def initial_state(self, batch: Any, length: Any, dtype: str = "float32") -> State:
        """The state before the first step: `state_count` tensors, each (B, S) or (B, 1)."""
        return ()

    def align(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        state: State = (),
        *,
        query: Tensor | None = None,
        prepared: tuple[Tensor, ...] = (),
        noise: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """From scores to weights.

        Args:
            scores: (B, T, S); where the alignment has a state (B, 1, S), one step.
            value_mask: Boolean (B, S), or None for everywhere.
            state: From `initial_state`, or from the step before.
            query: (B, T, D), as it was given to the attention layer.
            prepared: From `prepare`.
            noise: (B, T, S), drawn from a standard normal distribution, or None outside training.

        Returns:
            Weights of the scores' shape, and the next state.
        """
        raise NotImplementedError

    def call(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        query: Tensor | None = None,
        key: Tensor | None = None,
    ) -> Tensor:
        """Weights for the scores of all steps; see the class."""
        prepared = () if key is None else self.prepare(key)
        if not self.state_count:
            return self.align(scores, value_mask, query=query, prepared=prepared)[0]

        def one_step(state: Nest, x: dict[str, Tensor]) -> tuple[Nest, Tensor]:
            step = {name: ops.expand_dims(tensor, 1) for name, tensor in x.items()}
            weights, state = self.align(
                step["scores"], value_mask, state, query=step.get("query"), prepared=prepared
            )
            return state, weights[:, 0]

        given = {"scores": scores} if query is None else {"scores": scores, "query": query}
        batch, _, length = ops.shape(scores)
        state = self.initial_state(batch, length)
        by_time = {name: ops.swapaxes(tensor, 0, 1) for name, tensor in given.items()}
        return ops.swapaxes(scan(one_step, state, by_time)[1], 0, 1)

    def compute_output_spec(self, scores: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Symbolic weights: of the scores' shape."""
        return keras.KerasTensor(scores.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(super().get_config())
