"""The base of all attention layers: masks, normalizes and sums; subclasses only score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.alignments import Alignment, Softmax
from keras_attention.checks import check_dropout, check_rank, check_shape
from keras_attention.linear import linear
from keras_attention.types import Shape, Tensor


class Memory(NamedTuple):
    """What is attended to, made once for a batch by `Attention.prepare`.

    Attributes:
        values: (B, S, M), what the weighted sum is taken of.
        keys: (B, S, U), projected for scoring.
        mask: Boolean (B, S), True where a place may be attended, or None for everywhere.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor | None


class Attention(keras.layers.Layer):
    """Base layer: `weights = align(score(query, key))`, `context = sum_j weights_j value_j`.

    A subclass says how to project (`project_query`, `project_key`), how to score what was
    projected (`compute_scores`), and which weights that takes (`build_score`).

    Args:
        dropout: Fraction of the weights that are dropped in training, between 0 and 1.
        alignment: How scores become weights; None for a softmax.
        seed: Seed of the dropout, or None.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        alignment: Alignment | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_dropout("dropout", dropout)
        self.alignment = Softmax() if alignment is None else alignment
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self.supports_masking = True

    def build_score(self, query_size: int, key_size: int) -> None:
        """Make the weights of the score."""
        raise NotImplementedError

    def project_query(self, query: Tensor) -> Tensor:
        """Queries (B, T, D) or (B, D) as `compute_scores` takes them, with U features."""
        return query

    def project_key(self, key: Tensor) -> Tensor:
        """Keys (B, S, E) as `compute_scores` takes them, (B, S, U); done once for a memory."""
        return key

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Scores (B, T, S) of projected queries and keys."""
        raise NotImplementedError

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Make the weights for queries (B, T, D) or (B, D) and values (B, S, M)."""
        self.build_score(query_shape[-1], (key_shape or value_shape)[-1])
        self.built = True

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend with each query; see the class for arguments and results."""
        self._check_inputs(query, value, key, value_mask, key_mask)
        one_query = len(query.shape) == 2
        if one_query:
            query = ops.expand_dims(query, 1)
        memory = self.prepare(value, key, _both(value_mask, key_mask))
        keep = self.dropout_mask(memory, query.shape[1] or ops.shape(query)[1], training)
        context, weights, _ = self.attend(query, memory, self.initial_state(memory), keep)
        if one_query:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, 1)
        return (context, weights) if return_attention_scores else context

    def prepare(
        self, value: Tensor, key: Tensor | None = None, value_mask: Tensor | None = None
    ) -> Memory:
        """Project the keys, once for all the steps that will attend to them.

        Args:
            value: (B, S, M).
            key: (B, S, E), or None for the values.
            value_mask: Boolean (B, S), True where a place may be attended, or None.

        Returns:
            The memory that `step` takes.

        Raises:
            ValueError: If the layer is not built, or shapes do not fit together.
        """
        self._check_built()
        value = self._floating(value)
        key = value if key is None else self._floating(key)
        value_mask = None if value_mask is None else ops.cast(value_mask, "bool")
        _check_memory(value, key, value_mask=value_mask)
        return Memory(value, self.project_key(key), value_mask)

    def initial_state(self, memory: Memory) -> tuple[Tensor, ...]:
        """The alignment's state before the first step; empty where each step stands alone."""
        return self.alignment.initial_state(memory)

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        dropout_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Attend once, with one query for each row.

        Args:
            query: (B, D).
            memory: From `prepare`.
            state: From `initial_state` or the step before.
            dropout_mask: (B, S), multiplied into the weights before the sum, or None.

        Returns:
            Context (B, M), weights (B, S), next state.

        Raises:
            ValueError: If the layer is not built, or shapes do not fit together.
        """
        self._check_built()
        query = self._floating(query)
        check_rank("query", query.shape, "(batch, features)")
        keep = None if dropout_mask is None else ops.expand_dims(dropout_mask, 1)
        check_shape("query", query.shape[:1], "value", memory.values.shape[:1])
        projected = ops.expand_dims(self.project_query(query), 1)
        context, weights, state = self._weigh(projected, memory, tuple(state), keep)
        return ops.squeeze(context, 1), ops.squeeze(weights, 1), state

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: tuple[Tensor, ...] = (),
        dropout_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Attend with queries (B, T, D): context (B, T, M), weights (B, T, S), next state."""
        query = self._floating(query)
        check_shape("query", query.shape[:1], "value", memory.values.shape[:1])
        return self._weigh(self.project_query(query), memory, state, dropout_mask)

    def _weigh(
        self,
        projected: Tensor,
        memory: Memory,
        state: tuple[Tensor, ...],
        dropout_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        scores = self.compute_scores(projected, memory.keys)
        weights, state = self.alignment(scores, memory.mask, state)
        weights = self._floating(weights)
        kept = weights if dropout_mask is None else weights * dropout_mask
        return linear(kept, memory.values), weights, state

    def dropout_mask(
        self, memory: Memory, steps: int | Tensor, training: bool | None
    ) -> Tensor | None:
        """Factors (B, T, S) for the weights, 0 or 1 / (1 - dropout), or None outside training.

        Drawn for all steps at once, outside of any loop, so that the loop itself is pure.
        """
        if not training or self.seed_generator is None:
            return None
        batch, length = ops.shape(memory.values)[0], ops.shape(memory.values)[1]
        ones = ops.ones((batch, steps, length), dtype=self.compute_dtype)
        return keras.random.dropout(ones, self.dropout, seed=self.seed_generator)

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Symbolic results: context of the query's shape with the value's features."""
        self._check_inputs(query, value, key, value_mask, key_mask)
        lead = tuple(query.shape[:-1])
        context = keras.KerasTensor((*lead, value.shape[-1]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return context
        return context, keras.KerasTensor((*lead, value.shape[1]), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Attention:
        """A layer like the one that `get_config` described."""
        alignment = keras.saving.deserialize_keras_object(config.get("alignment"))
        return cls(**{**config, "alignment": alignment})

    def _check_inputs(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None,
        value_mask: Tensor | None,
        key_mask: Tensor | None,
    ) -> None:
        axes = "(batch, features)" if len(query.shape) == 2 else "(batch, length, features)"
        check_rank("query", query.shape, axes)
        _check_memory(value, key, value_mask=value_mask, key_mask=key_mask)
        check_shape("query", query.shape[:1], "value", value.shape[:1])

    def _floating(self, x: Tensor) -> Tensor:
        return ops.cast(x, self.compute_dtype)

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"Layer `{self.name}` has no weights yet: call it once, or call "
                "`build(query_shape, value_shape)`, before `prepare` and `step`."
            )


def _check_memory(value: Tensor, key: Tensor | None, **masks: Tensor | None) -> None:
    check_rank("value", value.shape, "(batch, length, features)")
    if key is not None:
        check_rank("key", key.shape, "(batch, length, features)")
        check_shape("key", key.shape[:2], "value", value.shape[:2])
    for name, mask in masks.items():
        if mask is not None:
            check_rank(name, mask.shape, "(batch, length)")
            check_shape(name, mask.shape, "value", value.shape[:2])


def _both(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return ops.logical_and(ops.cast(first, "bool"), ops.cast(second, "bool"))
