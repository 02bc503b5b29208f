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
    """Attention that scores with a small network over query and key.

    Formula: `score(q, k) = v . tanh(q W_q + k W_m)`; in the paper's letters
    `e_ij = v_a . tanh(W_a s_{i-1} + U_a h_j)`, where the query is the decoder's previous state and
    the keys are the encoder's outputs. Then `weights = softmax(score)` over the places that may be
    attended and `context = sum_j weights_j value_j`.

    Args:
        units: Size U of the hidden layer.
        normalize: Weight normalization: `g v / |v|` instead of v, with a learned length g
            (initially `sqrt(1 / U)`), and a learned bias b added inside the tanh.
        dropout: Fraction of the weights that are dropped in training.
        alignment: How scores become weights; None for a softmax.
        past: What of the weights so far enters the next score, added to the projected keys; None
            for nothing.
        seed: Seed of the dropout and of an alignment's noise, or None.

    Call arguments:
        query: (B, T, D), or one query for each row, (B, D).
        value: (B, S, M).
        key: (B, S, E), or None for the values.
        query_mask: Not used. The mask that `query` carries is carried on by the result.
        value_mask: Boolean (B, S), True where a place may be attended. Keras fills it from the mask
            that `value` carries.
        key_mask: Like `value_mask`, for `key`; both must allow a place.
        return_attention_scores: Also return the weights (Keras calls them scores), those before
            dropout.
        training: Whether to drop weights.

    Returns:
        Context (B, T, M) or (B, M), with the weights (B, T, S) or (B, S) if asked for. A row with
        nothing to attend gets zero weights and a zero context.

    Raises:
        ValueError: If `units` or `dropout` is out of range, or shapes do not fit together.

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
        """Make W_q, W_m, v and, if normalized, g and b."""
        self.query_kernel = self.add_weight(name="query_kernel", shape=(query_size, self.units))
        self.key_kernel = self.add_weight(name="key_kernel", shape=(key_size, self.units))
        self.v = self.add_weight(name="v", shape=(self.units,), initializer="glorot_uniform")
        if self.normalize:
            length = keras.initializers.Constant(self.units**-0.5)
            self.g = self.add_weight(name="g", shape=(), initializer=length)
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def projected_size(self, query_size: int, key_size: int) -> int:
        """U."""
        return self.units

    def project_query(self, query: Tensor) -> Tensor:
        """`q W_q`."""
        return linear(query, ops.cast(self.query_kernel, query.dtype))

    def project_key(self, key: Tensor) -> Tensor:
        """`k W_m`, and the bias b, which the sum inside the tanh may as well take from here."""
        projected = at_least_float32(ops.matmul(key, ops.cast(self.key_kernel, key.dtype)))
        return projected + at_least_float32(self.bias) if self.normalize else projected

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """`v . tanh(query + key)` of what was projected."""
        v = at_least_float32(self.v)
        if self.normalize:
            v = scores.unit_vectors(v) * at_least_float32(self.g)
        return scores.additive(query, key, v)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "units": self.units, "normalize": self.normalize}
