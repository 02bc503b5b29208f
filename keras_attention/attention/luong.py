"""Multiplicative attention (Luong et al. 2015) and related scores."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
from keras import ops

from keras_attention import scores
from keras_attention.alignments.base import Alignment
from keras_attention.attention.past import Past
from keras_attention.attention.scored import Attention
from keras_attention.backend.linear import linear
from keras_attention.checks import check_one_of, check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Tensor

Score = Literal["dot", "scaled_dot", "cosine", "general", "concat"]
SCORES = ("dot", "scaled_dot", "cosine", "general", "concat")
_SAME_SIZE = ("dot", "scaled_dot", "cosine")


@keras.saving.register_keras_serializable(package="keras_attention")
class LuongAttention(Attention):
    """Attention with a multiplicative score, or Luong's concat score.

    Formula, by `score`:

    - `"dot"`: `q . k`
    - `"scaled_dot"`: `q . k / sqrt(D)`
    - `"cosine"`: `q . k / (|q| |k|)`
    - `"general"`: `q . (k W)`; query and key may differ in size
    - `"concat"`: `v . tanh([q; k] W)`; query and key may differ in size

    Then `weights = softmax(score)` over the positions that may be attended to, and
    `context = sum_j weights_j value_j`.

    Args:
        score: One of the names above.
        units: Size U of the hidden layer of `"concat"`; None for the other scores.
        scale: Multiply the score by a learned scalar g, initially 1.
        dropout: Fraction of the weights to drop in training.
        alignment: Turns scores into weights; None uses a softmax.
        past: Makes the score depend on the weights of earlier steps, by adding to the projected
            keys; None ignores them.
        seed: Seed of the dropout and the alignment's noise, or None.
        **kwargs: `name`, `dtype`, and what `keras.layers.Dense` has: `kernel_initializer`,
            `kernel_regularizer` and `kernel_constraint` for W and v; `activity_regularizer`, for
            what `call` returns.

    Call arguments:
        query: (B, T, D), or (B, D) for a single query per row.
        value: (B, S, M).
        key: (B, S, E); None uses the values.
        query_mask: Boolean (B, T), or None. Where it is False, the query is read as zeros. The
            result keeps the mask of `query`.
        value_mask: Boolean (B, S), True where a position may be attended to. Keras passes the mask
            of `value`, if there is one.
        key_mask: Like `value_mask`, for `key`; a position must be allowed by both.
        return_attention_scores: Also return the weights before dropout (Keras calls them scores).
        training: Whether to apply dropout and the alignment's noise.

    Returns:
        Context (B, T, M) or (B, M), and on request the weights (B, T, S) or (B, S). A fully masked
        row gets zero weights and a zero context.

    Raises:
        ValueError: If an argument is out of range, or the shapes do not match; in particular if
            query and key differ in size with `"dot"`, `"scaled_dot"` or `"cosine"`.

    Attributes:
        query_kernel: The rows of W for the query, (D, U), only for `"concat"`.
        key_kernel: W, (E, D), for `"general"`; the rows of W for the key, (E, U), for
            `"concat"`.
        v: (U,), only for `"concat"`.
        g: Scalar, only if `scale`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.LuongAttention(score="dot")
        >>> query = np.array([[1.0, 0.0]], "float32")
        >>> value = np.array([[[2.0, 0.0], [0.0, 2.0]]], "float32")
        >>> _, weights = attention(query, value, return_attention_scores=True)
        >>> print([f"{float(w):.2f}" for w in weights[0]])
        ['0.88', '0.12']

    Reference: Luong, Pham and Manning 2015, "Effective approaches to attention-based neural machine
    translation", section 3.1. `"scaled_dot"`: Vaswani et al. 2017, equation 1. `"cosine"`: Graves
    et al. 2014, equation 6.
    """

    def __init__(
        self,
        score: Score = "general",
        units: int | None = None,
        scale: bool = False,
        dropout: float = 0.0,
        alignment: Alignment | None = None,
        past: Past | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dropout, alignment, past, seed, **kwargs)
        check_one_of("score", score, SCORES)
        if score == "concat":
            check_positive("units", units)
        if score != "concat" and units is not None:
            raise ValueError(
                "Argument `units` must be None unless score='concat'. "
                f"Received: units={units}, score={score!r}"
            )
        if score == "cosine" and past is not None:
            raise ValueError(
                "Argument `past` must be None for score='cosine', which ignores key lengths. "
                f"Received: past={past!r}, score={score!r}"
            )
        self.score = score
        self.units = units
        self.scale = scale

    def build_score(self, query_size: int, key_size: int) -> None:
        """Create the weights of the score, and g."""
        if self.score in _SAME_SIZE and query_size != key_size:
            raise ValueError(
                f"Arguments `query` and `key` must have the same size for score={self.score!r}; "
                "score='general' projects the keys to the size of the queries. "
                f"Received: query size={query_size}, key size={key_size}"
            )
        if self.score == "general":
            self.key_kernel = self.add_kernel("key_kernel", (key_size, query_size))
        if self.score == "concat":
            self.query_kernel = self.add_kernel("query_kernel", (query_size, self.units))
            self.key_kernel = self.add_kernel("key_kernel", (key_size, self.units))
            self.v = self.add_kernel("v", (self.units,))
        if self.scale:
            self.g = self.add_weight(name="g", shape=(), initializer="ones")

    def projected_size(self, query_size: int, key_size: int) -> int:
        """U, or the common size of query and key."""
        return query_size if self.units is None else self.units

    def project_query(self, query: Tensor) -> Tensor:
        """The query's part of the score, including the scale of `"scaled_dot"`."""
        if self.score == "concat":
            return linear(query, ops.cast(self.query_kernel, query.dtype))
        if self.score == "scaled_dot":
            return query * (1.0 / math.sqrt(query.shape[-1]))
        return scores.unit_vectors(query) if self.score == "cosine" else query

    def project_key(self, key: Tensor) -> Tensor:
        """The key's part of the score, which is the same at every step."""
        if self.score in ("general", "concat"):
            projected = ops.matmul(key, ops.cast(self.key_kernel, key.dtype))
            return at_least_float32(projected) if self.score == "concat" else projected
        return scores.unit_vectors(key) if self.score == "cosine" else key

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """After projection, multiplicative scores are dot products and concat is additive."""
        if self.score == "concat":
            result = scores.additive(query, key, at_least_float32(self.v))
        else:
            result = scores.dot(query, key)
        if self.score == "cosine":
            result = ops.clip(result, -1.0, 1.0)  # which rounding may exceed
        return result * ops.cast(self.g, result.dtype) if self.scale else result

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {"score": self.score, "units": self.units, "scale": self.scale}
        return {**super().get_config(), **config}
