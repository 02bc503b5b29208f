"""Additive attention (Bahdanau et al. 2015)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention import scores
from keras_attention.alignments.base import Alignment
from keras_attention.attention.past import Past
from keras_attention.attention.scored import Attention
from keras_attention.backend.linear import linear
from keras_attention.checks import check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class BahdanauAttention(Attention):
    """Attention with an additive score: a feed-forward network over query and key.

    Formula: `score(q, k) = v . tanh(q W_q + k W_m)`; in the paper's notation
    `e_ij = v_a . tanh(W_a s_{i-1} + U_a h_j)`, where the query is the decoder's previous state and
    the keys are the encoder's outputs. Then `weights = softmax(score)` over the positions that
    may be attended to, and `context = sum_j weights_j value_j`.

    Args:
        units: Size U of the hidden layer.
        normalize: Use weight normalization: `g v / |v|` instead of v, with a learned length g
            (initially `sqrt(1 / U)`), and a learned bias b inside the tanh.
        dropout: Fraction of the weights to drop in training.
        alignment: Turns scores into weights; None uses a softmax.
        past: Makes the score depend on the weights of earlier steps, by adding to the projected
            keys; None ignores them.
        seed: Seed of the dropout and the alignment's noise, or None.
        **kwargs: `name`, `dtype`, and what `keras.layers.Dense` has: `kernel_initializer`,
            `kernel_regularizer` and `kernel_constraint` for W_q, W_m and v; `bias_initializer`,
            `bias_regularizer` and `bias_constraint` for b; `activity_regularizer`, for what
            `call` returns.

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
        ValueError: If `units` or `dropout` is out of range, or the shapes do not match.

    Attributes:
        query_kernel: W_q, (D, U).
        key_kernel: W_m, (E, U).
        v: (U,).
        g: Scalar, only if `normalize`.
        bias: b, (U,), only if `normalize`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.BahdanauAttention(units=8)
        >>> query, value = np.ones((2, 5, 6), "float32"), np.ones((2, 7, 4), "float32")
        >>> context, weights = attention(query, value, return_attention_scores=True)
        >>> tuple(context.shape), tuple(weights.shape)
        ((2, 5, 4), (2, 5, 7))

    Reference: Bahdanau, Cho and Bengio 2015, "Neural machine translation by jointly learning to
    align and translate", section 3.1 and appendix A.1.2. `normalize`: Salimans and Kingma 2016,
    equation 2.
    """

    def __init__(
        self,
        units: int,
        normalize: bool = False,
        dropout: float = 0.0,
        alignment: Alignment | None = None,
        past: Past | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dropout, alignment, past, seed, **kwargs)
        check_positive("units", units)
        self.units = units
        self.normalize = normalize

    def build_score(self, query_size: int, key_size: int) -> None:
        """Create W_q, W_m, v and, with `normalize`, g and b."""
        self.query_kernel = self.add_kernel("query_kernel", (query_size, self.units))
        self.key_kernel = self.add_kernel("key_kernel", (key_size, self.units))
        self.v = self.add_kernel("v", (self.units,))
        if self.normalize:
            length = keras.initializers.Constant(self.units**-0.5)
            self.g = self.add_weight(name="g", shape=(), initializer=length)
            self.bias = self.add_bias("bias", (self.units,))

    def projected_size(self, query_size: int, key_size: int) -> int:
        """U."""
        return self.units

    def project_query(self, query: Tensor) -> Tensor:
        """`q W_q`."""
        return linear(query, ops.cast(self.query_kernel, query.dtype))

    def project_key(self, key: Tensor) -> Tensor:
        """`k W_m`, plus the bias b, so that it is added once per memory."""
        projected = at_least_float32(ops.matmul(key, ops.cast(self.key_kernel, key.dtype)))
        return projected + at_least_float32(self.bias) if self.normalize else projected

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """`v . tanh(query + key)` of projected queries and keys."""
        v = at_least_float32(self.v)
        if self.normalize:
            v = scores.unit_vectors(v) * at_least_float32(self.g)
        return scores.additive(query, key, v)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units, "normalize": self.normalize}
