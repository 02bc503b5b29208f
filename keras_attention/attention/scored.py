"""The base of all attention layers with a score: it aligns and sums; subclasses only score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.alignments.softmax import Softmax
from keras_attention.attention.base import AttentionLayer, Memory, check_values
from keras_attention.attention.past import Past
from keras_attention.backend.linear import linear
from keras_attention.checks import check_fraction, check_rank, check_shape
from keras_attention.types import Shape, Tensor


class Attention(AttentionLayer):
    """Base layer: `weights = align(score(query, key))`, `context = sum_j weights_j value_j`.

    A subclass says how to project (`project_query`, `project_key`), how to score what was
    projected (`compute_scores`), and which weights that takes (`build_score`).

    Args:
        dropout: Fraction of the weights that are dropped in training, between 0 and 1.
        alignment: How scores become weights; None for a softmax.
        past: What of the weights so far enters the next score; None for nothing.
        seed: Seed of the dropout and of an alignment's noise, or None.
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
        _check_part("alignment", alignment, Alignment)
        _check_part("past", past, Past)
        self.alignment = Softmax(dtype=self.dtype_policy) if alignment is None else alignment
        self.past = past
        self.dropout = dropout
        self.seed = seed
        is_random = dropout or self.alignment.noise
        self.seed_generator = keras.random.SeedGenerator(seed) if is_random else None
        self.supports_masking = True

    @property
    def state_count(self) -> int:
        """How many tensors the state has: one for the past, and those of the alignment."""
        return int(self.past is not None) + int(self.alignment.state_count)

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

    def projected_size(self, query_size: int, key_size: int) -> int:
        """U, the features of a projected key."""
        return query_size

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Make the weights for queries (B, T, D) or (B, D) and values (B, S, M)."""
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
        """Project the keys, once for all the steps that will attend; see `AttentionLayer`."""
        self._check_built()
        value = self._floating(value)
        key = value if key is None else self._floating(key)
        value_mask = None if value_mask is None else ops.cast(value_mask, "bool")
        check_values(self, value, key, value_mask=value_mask)
        for_past = () if self.past is None else self.past.prepare(key)
        return Memory(
            value, self.project_key(key), value_mask, for_past, self.alignment.prepare(key)
        )

    def initial_state(self, memory: Memory) -> State:
        """Zeros (B, S) for the past, and what the alignment starts with; see `AttentionLayer`."""
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
        """Attend once, with one query (B, D) for each row; see `AttentionLayer`."""
        self._check_built()
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
        """What is random in training, by name, (B, T, S) each; nothing outside training.

        `"dropout"` are factors for the weights, 0 or 1 / (1 - dropout), `"noise"` is the
        alignment's, of a standard normal distribution. Drawn for all steps at once, outside of any
        loop, so that the loop itself is pure.
        """
        if not training or self.seed_generator is None:
            return {}
        batch, length = ops.shape(memory.values)[:2]
        shape, dtype, seed = (batch, steps, length), self.compute_dtype, self.seed_generator
        drawn = {}
        if self.dropout:
            ones = ops.ones(shape, dtype=dtype)
            drawn["dropout"] = keras.random.dropout(ones, self.dropout, seed=seed)
        if self.alignment.noise:
            drawn["noise"] = keras.random.normal(shape, dtype=dtype, seed=seed)
        return drawn

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "past": keras.saving.serialize_keras_object(self.past),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Attention:
        """A layer like the one that `get_config` described."""
        parts = {name: config.get(name) for name in ("alignment", "past")}
        made = {k: keras.saving.deserialize_keras_object(v) for k, v in parts.items()}
        return cls(**{**config, **made})


def _check_part(name: str, part: Any, kind: type) -> None:
    if part is not None and not isinstance(part, kind):
        raise TypeError(
            f"Argument `{name}` must be of the class {kind.__name__} of this package, or None. "
            f"Received: {name}={part!r}"
        )
