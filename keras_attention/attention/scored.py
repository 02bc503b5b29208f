"""Base class of attention layers with a score: it aligns and sums; subclasses only score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention import backend
from keras_attention.alignments.base import Alignment, State
from keras_attention.alignments.softmax import Softmax
from keras_attention.attention.base import AttentionLayer, Memory, carried_mask, check_prepared
from keras_attention.attention.past import Past
from keras_attention.attention.weights import WeightOptions
from keras_attention.backend.linear import linear
from keras_attention.checks import check_fraction, check_part, check_rank, check_shape, checked_mask
from keras_attention.types import Shape, Tensor


class Attention(WeightOptions, AttentionLayer):
    """Base layer: `weights = align(score(query, key))`, `context = sum_j weights_j value_j`.

    A subclass implements `build_score`, which creates its weights, and `compute_scores`. Weights
    from `add_kernel` and `add_bias` have the initializers, regularizers and constraints given
    below. It overrides `project_query` and `project_key` to project queries and keys beforehand,
    and `projected_size` if that changes their size.

    Args:
        dropout: Fraction of the weights to drop in training, at least 0 and below 1.
        alignment: Turns scores into weights; None uses a softmax.
        past: Makes the score depend on the weights of earlier steps; None ignores them.
        seed: Seed of the dropout and the alignment's noise, or None.
        **kwargs: `name`, `dtype`, and what `keras.layers.Dense` has: `kernel_initializer`,
            `kernel_regularizer` and `kernel_constraint` for the kernels; `bias_initializer`,
            `bias_regularizer` and `bias_constraint` for biases; `activity_regularizer`, for what
            `call` returns.

    Example:
        A score of your own, minus the squared distance; the query 5 picks the value 5:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> from keras import ops
        >>> class DistanceAttention(ka.attention.Attention):
        ...     def build_score(self, query_size, key_size):
        ...         pass
        ...
        ...     def compute_scores(self, query, key):
        ...         difference = ops.expand_dims(query, 2) - ops.expand_dims(key, 1)
        ...         return -ops.sum(difference**2, axis=-1)
        >>> value = np.array([[[0.0], [1.0], [5.0]]])
        >>> print(DistanceAttention()(np.array([[[5.0]]]), value).numpy().round(2))
        [[[5.]]]
    """

    def __init__(
        self,
        dropout: float = 0.0,
        alignment: Alignment | None = None,
        past: Past | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_fraction("dropout", dropout)
        check_part("alignment", alignment, Alignment)
        check_part("past", past, Past)
        self.alignment = Softmax(dtype=self.dtype_policy) if alignment is None else alignment
        self.past = past
        self.dropout = dropout
        self.seed = seed
        is_random = dropout or self.alignment.noise
        self.seed_generator = keras.random.SeedGenerator(seed) if is_random else None
        self.supports_masking = True

    @property
    def state_count(self) -> int:
        """Number of tensors in the state: one for `past`, and those of the alignment."""
        return int(self.past is not None) + int(self.alignment.state_count)

    def build_score(self, query_size: int, key_size: int) -> None:
        """Create the weights of the score."""
        raise NotImplementedError

    def project_query(self, query: Tensor) -> Tensor:
        """Project queries (B, T, D) or (B, D) to the U features that `compute_scores` takes."""
        return query

    def project_key(self, key: Tensor) -> Tensor:
        """Project keys (B, S, E) to (B, S, U) for `compute_scores`, once per memory."""
        return key

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the scores (B, T, S) of projected queries and keys."""
        raise NotImplementedError

    def projected_size(self, query_size: int, key_size: int) -> int:
        """U, the number of features of a projected key."""
        return query_size

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Create the weights for queries (B, T, D) or (B, D) and values (B, S, M)."""
        ((_, key_shape),) = self.memory_shapes(value=value_shape, key=key_shape or value_shape)
        query_size, key_size = query_shape[-1], key_shape[-1]
        self.build_score(query_size, key_size)
        if not self.alignment.built:
            self.alignment.build(
                scores_shape=None,
                query_shape=(None, None, query_size),
                key_shape=(None, None, key_size),
            )
        if self.past is not None and not self.past.built:
            units = self.projected_size(query_size, key_size)
            self.past.build((None, None, units), (None, None, key_size))
        self.built = True

    def prepare(
        self, value: Tensor, key: Tensor | None = None, value_mask: Tensor | None = None
    ) -> Memory:
        """Project the keys, once for all steps; see `AttentionLayer`."""
        self._check_built()
        value_mask = carried_mask(value) if value_mask is None else value_mask
        value_mask = None if value_mask is None else checked_mask(value_mask)
        value, key = self._read(value, key, value_mask)
        for_past = () if self.past is None else self.past.prepare(key)
        return Memory(
            value, self.project_key(key), value_mask, for_past, self.alignment.prepare(key)
        )

    def initial_state(self, memory: Memory) -> State:
        """Return zeros (B, S) for `past`, and the initial state of the alignment."""
        check_prepared(memory)
        batch, length = ops.shape(memory.values)[:2]
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        past = () if self.past is None else (ops.zeros((batch, length), dtype),)
        return past + tuple(self.alignment.initial_state(batch, length, dtype))

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once, with one query (B, D) per row; see `AttentionLayer`."""
        self._check_built()
        check_prepared(memory)
        query = self._floating(query)
        check_rank("query", query.shape, "(batch, features)")
        check_shape("query", query.shape[:1], "value", memory.values.shape[:1])
        self._check_state(state)
        projected = ops.expand_dims(self.project_query(query), 1)
        drawn = {name: ops.expand_dims(x, 1) for name, x in (drawn or {}).items()}
        query = ops.expand_dims(query, 1)
        if self.past is None:
            context, weights, aligned = self._weigh(query, projected, memory, tuple(state), drawn)
            return ops.squeeze(context, 1), ops.squeeze(weights, 1), aligned
        past, aligned = tuple(state[:1]), tuple(state[1:])
        features = self.past.features(past, memory.past)
        memory = memory._replace(keys=memory.keys + ops.cast(features, memory.keys.dtype))
        context, weights, aligned = self._weigh(query, projected, memory, aligned, drawn)
        weights = ops.squeeze(weights, 1)
        return ops.squeeze(context, 1), weights, (*self.past.update(past, weights), *aligned)

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        drawn: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend with queries (B, T, D); see `AttentionLayer`."""
        check_prepared(memory)
        if self.state_count:
            return super().attend(query, memory, state, drawn)
        query = self._floating(query)
        check_shape("query", query.shape[:1], "value", memory.values.shape[:1])
        return self._weigh(query, self.project_query(query), memory, state, drawn or {})

    def _weigh(
        self,
        query: Tensor,
        projected: Tensor,
        memory: Memory,
        state: State,
        drawn: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor, State]:
        scores = self.compute_scores(projected, memory.keys)
        weights, state = self.alignment.align(
            scores,
            memory.mask,
            state,
            query=query,
            prepared=memory.alignment,
            noise=drawn.get("noise"),
        )
        weights = self._floating(weights)
        kept = weights * drawn["dropout"] if "dropout" in drawn else weights
        return linear(kept, memory.values), weights, state

    def draw(self, memory: Memory, steps: int | Tensor, training: bool | None) -> dict[str, Tensor]:
        """Draw random numbers for training, by name, (B, T, S) each; nothing outside training.

        `"dropout"` holds factors for the weights, 0 or `1 / (1 - dropout)`; `"noise"` holds
        standard normal noise for the alignment. One call draws for all steps, outside of any loop,
        so that the loop stays pure.
        """
        if not training or self.seed_generator is None:
            return {}
        batch, length = ops.shape(memory.values)[:2]
        shape, dtype, seed = (batch, steps, length), self.compute_dtype, self.seed_generator
        drawn = {}
        if self.dropout:
            ones = ops.ones(shape, dtype=dtype)
            drawn["dropout"] = backend.dropout(ones, self.dropout, seed)
        if self.alignment.noise:
            drawn["noise"] = keras.random.normal(shape, dtype=dtype, seed=seed)
        return drawn

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "past": keras.saving.serialize_keras_object(self.past),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Attention:
        """Create a layer from the result of `get_config`."""
        parts = {name: config.get(name) for name in ("alignment", "past")}
        made = {k: keras.saving.deserialize_keras_object(v) for k, v in parts.items()}
        return super().from_config({**config, **made})
