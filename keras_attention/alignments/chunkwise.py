"""Monotonic chunkwise attention, MoChA (Chiu and Raffel 2018)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.alignments.monotonic import Mode, Monotonic
from keras_attention.checks import check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.masking import aligned_mask, masked_softmax
from keras_attention.types import Shape, Tensor

_MISSING = "Arguments `query` and `key` must be given where there is a `chunk_attention`. "


@keras.saving.register_keras_serializable(package="keras_attention")
class MonotonicChunkwise(Monotonic):
    """Monotonic attention that spreads its weight softly over the places before where it stops.

    Formula, with the probabilities a_ik of stopping at k (see `Monotonic`), chunks of w places and
    chunk scores u: `weights_ij = sum_{k=j}^{j+w-1} a_ik exp(u_ij) / sum_{l=k-w+1}^{k} exp(u_il)`,
    that is, where it stops, a softmax over the w places that end there. Weights sum to what the
    a_ik sum to; a chunk of one place is `Monotonic`.

    Args:
        chunk_size: w, in places.
        chunk_attention: A new attention layer, of which only the score is used, for u; None for the
            scores that the alignment is given anyway.
        mode: As in `Monotonic`.
        noise: As in `Monotonic`.
        score_bias_init: As in `Monotonic`.

    Raises:
        ValueError: If `chunk_size` is not positive, or for what `Monotonic` refuses.

    Attributes:
        score_bias: As in `Monotonic`.

    The softmax of each chunk is formed by itself, so that none underflows beside another.

    Reference: Chiu and Raffel 2018, "Monotonic chunkwise attention".
    """

    def __init__(
        self,
        chunk_size: int = 2,
        chunk_attention: Any = None,
        mode: Mode = "parallel",
        noise: float = 0.0,
        score_bias_init: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode, noise, score_bias_init, **kwargs)
        check_positive("chunk_size", chunk_size)
        self.chunk_size = chunk_size
        self.chunk_attention = chunk_attention

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Make r and the weights of the chunk scores."""
        if self.chunk_attention is not None and not self.chunk_attention.built:
            if query_shape is None or key_shape is None:
                raise ValueError(_MISSING + f"Received: query of {query_shape}, key of {key_shape}")
            self.chunk_attention.build(query_shape, key_shape)
        super().build(scores_shape, query_shape, key_shape)

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """The keys (B, S, E) as the chunk's score takes them."""
        return () if self.chunk_attention is None else (self.chunk_attention.project_key(key),)

    def _spread(
        self,
        stopped: Tensor,
        scores: Tensor,
        value_mask: Tensor | None,
        query: Tensor | None,
        prepared: tuple[Tensor, ...],
    ) -> Tensor:
        """Weights (B, S): for each place to stop a softmax over the chunk that ends there."""
        u = at_least_float32(self._chunk_scores(scores, query, prepared)[:, 0])
        may = None if value_mask is None else aligned_mask(value_mask, scores)[:, 0]
        w, length = self.chunk_size, ops.shape(u)[1]
        exists = ops.ones_like(u, dtype="bool") if may is None else may
        chunks, in_chunk = (
            ops.stack([x[:, i : i + length] for i in range(w)], axis=-1)
            for x in (ops.pad(u, [[0, 0], [w - 1, 0]]), _padded(exists, w - 1))
        )  # (B, S, w): of each place k those from k - w + 1 to k
        shares = masked_softmax(chunks, in_chunk) * ops.expand_dims(stopped, -1)
        shares = ops.pad(shares, [[0, 0], [0, w - 1], [0, 0]])
        return sum(shares[:, w - 1 - i : w - 1 - i + length, i] for i in range(w))

    def _chunk_scores(
        self, scores: Tensor, query: Tensor | None, prepared: tuple[Tensor, ...]
    ) -> Tensor:
        if self.chunk_attention is None:
            return scores
        if query is None or not prepared:
            raise ValueError(_MISSING + f"Received: query={query}, key={prepared or None}")
        projected = self.chunk_attention.project_query(query[:, 0])
        return self.chunk_attention.compute_scores(ops.expand_dims(projected, 1), prepared[0])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        chunk_attention = keras.saving.serialize_keras_object(self.chunk_attention)
        config = {"chunk_size": self.chunk_size, "chunk_attention": chunk_attention}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MonotonicChunkwise:
        """An alignment like the one that `get_config` described."""
        made = keras.saving.deserialize_keras_object(config.get("chunk_attention"))
        return cls(**{**config, "chunk_attention": made})


def _padded(mask: Tensor, places: int) -> Tensor:
    """A mask (B, S) with places before it that may not be attended."""
    padded = ops.pad(ops.cast(mask, "float32"), [[0, 0], [places, 0]])
    return padded > 0.0
