"""The base class of all alignments, which turn scores into weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.backend import scan
from keras_attention.masking import unmasked
from keras_attention.shapes import SpecifiedLayer
from keras_attention.types import Nest, Shape, Tensor

State = tuple[Tensor, ...]


class Alignment(SpecifiedLayer):
    """Base layer of all alignments, which map scores (B, T, S) to weights of the same shape.

    A subclass implements `align`. It overrides `build` if it has weights, `prepare` to compute
    something once per memory, and `state_count` and `initial_state` if a step depends on the
    previous one. Attention layers call `align`; call the layer itself to try an alignment alone.

    Scores that are not finite follow one rule in all alignments of this package. NaN or plus
    infinity makes the weights of its row (one query) NaN wherever the row may attend, and so shows
    that something is wrong before it; so do later rows if the state holds those weights. (Softmax
    in TensorFlow on processors with AVX-512 may give NaN at its own position alone; the context is
    NaN all the same.) Minus infinity counts as masked.

    Call arguments:
        scores: (B, T, S).
        value_mask: Boolean (B, S), True where a position may be attended to; None allows every
            position.
        query: (B, T, D), for alignments that use the query.
        key: (B, S, E), for alignments that use the memory.

    Returns:
        Weights (B, T, S), zero on masked positions.

    Example:
        An alignment of your own, which divides positive scores by their sum:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> from keras import ops
        >>> class Share(ka.alignments.Alignment):
        ...     def align(
        ...         self, scores, value_mask=None, state=(), *, query=None, prepared=(), noise=None
        ...     ):
        ...         return scores / ops.sum(scores, axis=-1, keepdims=True), state
        >>> Share()(np.array([[[1.0, 3.0]]])).numpy().tolist()
        [[[0.25, 0.75]]]
    """

    state_count = 0
    """Number of tensors in the state; if there are any, `align` takes one step at a time."""

    noise = 0.0
    """Standard deviation of the noise added to the scores in training."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Create the weights; the base class has none."""
        self.built = True

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """Compute once per memory what `align` needs from the keys (B, S, E)."""
        return ()

    def initial_state(self, batch: Any, length: Any, dtype: str = "float32") -> State:
        """Return the state before the first step: `state_count` tensors, each (B, S) or (B, 1)."""
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
        """Turn scores into weights.

        Args:
            scores: (B, T, S), or one step (B, 1, S) if the alignment has a state.
            value_mask: Boolean (B, S), or None to allow every position.
            state: From `initial_state` or the previous step.
            query: (B, T, D), as passed to the attention layer.
            prepared: From `prepare`.
            noise: (B, T, S), standard normal; None outside training.

        Returns:
            Weights of the shape of `scores`, and the next state.
        """
        raise NotImplementedError

    def call(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        query: Tensor | None = None,
        key: Tensor | None = None,
    ) -> Tensor:
        """Align all steps; see the class."""
        prepared = () if key is None else self.prepare(unmasked(key, value_mask))
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
        """Return symbolic weights of the shape of `scores`."""
        return keras.KerasTensor(scores.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return dict(super().get_config())
