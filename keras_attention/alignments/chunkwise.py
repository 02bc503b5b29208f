"""Monotonic chunkwise attention, MoChA (Chiu and Raffel 2018)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.alignments.monotonic import Mode, Monotonic
from keras_attention.checks import check_part, check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.masking import masked_softmax
from keras_attention.types import Shape, Tensor

_MISSING = "Arguments `query` and `key` must be given if there is a `chunk_attention`. "


@keras.saving.register_keras_serializable(package="keras_attention")
class MonotonicChunkwise(Monotonic):
    """Monotonic attention with a softmax over the chunk that ends where it stops.

    Formula, with the probabilities a_ik of stopping at k (see `Monotonic`), chunks of w positions
    and chunk scores u:
    `weights_ij = sum_{k=j}^{j+w-1} a_ik exp(u_ij) / sum_{l=k-w+1}^{k} exp(u_il)`. Where attention
    stops, it takes a softmax over the w positions that end there. The weights have the same sum as
    the a_ik, and equal them for `chunk_size=1`, which is `Monotonic`.

    Each chunk has its own softmax, so no chunk underflows because of scores in another.

    Args:
        chunk_size: w, in positions.
        chunk_attention: A new attention layer whose score computes u; None uses the scores passed
            to the alignment.
        mode: As in `Monotonic`.
        noise: As in `Monotonic`.
        score_bias_init: As in `Monotonic`.

    Raises:
        ValueError: If `chunk_size` is not positive, or an argument of `Monotonic` is out of range.

    Attributes:
        score_bias: As in `Monotonic`.

    Example:
        With all scores zero, the first step stops at the three positions with the probabilities
        1/2, 1/4 and 1/8; stopping at the second or third one shares the weight with the position
        before:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.MonotonicChunkwise(chunk_size=2)(np.zeros((1, 1, 3)))
        >>> weights[0, 0].numpy().tolist()  # 1/2 + 1/8, 1/8 + 1/16, 1/16
        [0.625, 0.1875, 0.0625]

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
        check_part("chunk_attention", chunk_attention, keras.layers.Layer)
        self.chunk_size = chunk_size
        self.chunk_attention = chunk_attention

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Create r and the weights of the chunk score."""
        if self.chunk_attention is not None and not self.chunk_attention.built:
            if query_shape is None or key_shape is None:
                raise ValueError(_MISSING + f"Received: query of {query_shape}, key of {key_shape}")
            self.chunk_attention.build(query_shape, key_shape)
        super().build(scores_shape, query_shape, key_shape)

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """Project the keys (B, S, E) for the chunk score."""
        return () if self.chunk_attention is None else (self.chunk_attention.project_key(key),)

    def _spread(
        self,
        stopped: Tensor,
        scores: Tensor,
        may: Tensor,
        query: Tensor | None,
        prepared: tuple[Tensor, ...],
    ) -> Tensor:
        """Weights (B, S): a softmax per chunk, times the probability of stopping at its end."""
        u = at_least_float32(self._chunk_scores(scores, query, prepared)[:, 0])
        w, length = self.chunk_size, ops.shape(u)[1]
        chunks, in_chunk = (
            ops.stack([x[:, i : i + length] for i in range(w)], axis=-1)
            for x in (ops.pad(u, [[0, 0], [w - 1, 0]]), _padded(may[:, 0], w - 1))
        )  # (B, S, w): for each position k, those from k - w + 1 to k
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
        """Return the constructor's arguments."""
        chunk_attention = keras.saving.serialize_keras_object(self.chunk_attention)
        config = {"chunk_size": self.chunk_size, "chunk_attention": chunk_attention}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MonotonicChunkwise:
        """Create an alignment from the result of `get_config`."""
        made = keras.saving.deserialize_keras_object(config.get("chunk_attention"))
        return cls(**{**config, "chunk_attention": made})


def _padded(mask: Tensor, places: int) -> Tensor:
    """Prepend masked positions to a mask (B, S)."""
    padded = ops.pad(ops.cast(mask, "float32"), [[0, 0], [places, 0]])
    return padded > 0.0
