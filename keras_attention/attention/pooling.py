"""Attention pooling: reduces a sequence to one vector with a learned query."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention import backend, scores
from keras_attention.alignments import Alignment, Softmax
from keras_attention.attention.report import report
from keras_attention.attention.weights import WeightOptions
from keras_attention.backend.linear import linear
from keras_attention.checks import (
    check_fraction,
    check_masked_sequence,
    check_part,
    check_positive,
    check_rank,
)
from keras_attention.dtypes import at_least_float32
from keras_attention.masking import step_mask, unmasked
from keras_attention.shapes import SpecifiedLayer
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionPooling(WeightOptions, SpecifiedLayer):
    """The weighted mean of a sequence, with learned weights for what matters to the task.

    Formula: `score_j = v . tanh(x_j W + b)`, `weights = softmax(score)` over the positions that may
    be attended to, `pooled = sum_j weights_j x_j`. In the paper's notation,
    `u_it = tanh(W_w h_it + b_w)` and `alpha_it = softmax(u_it . u_w)`; u_w, here v, is a learned
    query shared by all sequences. Use it in place of `keras.layers.GlobalAveragePooling1D`.

    Args:
        units: Size U of the hidden layer.
        dropout: Fraction of the weights to drop in training.
        alignment: Turns scores into weights; None uses a softmax.
        seed: Seed of the dropout, or None.
        **kwargs: `name`, `dtype`, and what `keras.layers.Dense` has: `kernel_initializer`,
            `kernel_regularizer` and `kernel_constraint` for W and v; `bias_initializer`,
            `bias_regularizer` and `bias_constraint` for b; `activity_regularizer`.

    Call arguments:
        inputs: (B, S, M), for example the outputs of an encoder.
        mask: Boolean (B, S), True where a position may be attended to. Keras passes the mask of
            `inputs`, if there is one; one that `TimeDistributed` left there, (B, S, W), is reduced.
            The result has no mask because it is not a sequence.
        return_attention_scores: Also return the weights before dropout (Keras calls them scores).
        training: Whether to apply dropout.

    Returns:
        Pooled (B, M), and on request the weights (B, S). A fully masked row gets zero weights and a
        zero vector.

    Raises:
        TypeError: If `alignment` is not an alignment.
        ValueError: If `units` or `dropout` is out of range, or the shapes do not match.

    Attributes:
        key_kernel: W, (M, U).
        bias: b, (U,).
        v: (U,).

    Example:
        >>> import keras
        >>> import keras_attention as ka
        >>> words = keras.Input((None,), dtype="int32")
        >>> embedded = keras.layers.Embedding(1000, 16, mask_zero=True)(words)
        >>> encoded, *_ = ka.BiLSTMEncoder(24)(embedded)
        >>> pooled, weights = ka.AttentionPooling(32)(encoded, return_attention_scores=True)
        >>> pooled.shape, weights.shape
        ((None, 48), (None, None))

    Reference: Yang et al. 2016, "Hierarchical attention networks for document classification",
    equations 5 to 7.
    """

    def __init__(
        self,
        units: int,
        dropout: float = 0.0,
        alignment: Alignment | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("units", units)
        check_fraction("dropout", dropout)
        check_part("alignment", alignment, Alignment)
        self.units = units
        self.dropout = dropout
        self.alignment = Softmax(dtype=self.dtype_policy) if alignment is None else alignment
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        """Create W, b and v for inputs (B, S, M)."""
        check_rank("inputs", inputs_shape, "(batch, length, features)")
        self.key_kernel = self.add_kernel("key_kernel", (inputs_shape[-1], self.units))
        self.bias = self.add_bias("bias", (self.units,))
        self.v = self.add_kernel("v", (self.units,))
        if not self.alignment.built:
            self.alignment.build(None, (None, None, self.units), (None, None, inputs_shape[-1]))
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Pool; see the class for arguments and results."""
        check_masked_sequence(inputs, mask)
        mask = None if mask is None else step_mask(mask)
        inputs = unmasked(ops.cast(inputs, self.compute_dtype), mask)
        keys = ops.matmul(inputs, ops.cast(self.key_kernel, inputs.dtype))
        b, v = at_least_float32(self.bias), at_least_float32(self.v)
        query = ops.broadcast_to(b, (ops.shape(keys)[0], 1, self.units))
        score = scores.additive(query, keys, v)
        state = self.alignment.initial_state(*ops.shape(inputs)[:2])
        prepared = self.alignment.prepare(inputs)
        weights, _ = self.alignment.align(score, mask, state, query=query, prepared=prepared)
        weights = ops.cast(weights, self.compute_dtype)
        kept = weights
        if training and self.seed_generator is not None:
            kept = backend.dropout(weights, self.dropout, self.seed_generator)
        pooled, weights = ops.squeeze(linear(kept, inputs), 1), ops.squeeze(weights, 1)
        report(self, weights)
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> None:
        """Return None: the result is not a sequence."""
        return

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Return symbolic results: (B, M), and on request the weights (B, S)."""
        check_masked_sequence(inputs, mask)
        batch, length, features = inputs.shape
        pooled = keras.KerasTensor((batch, features), dtype=self.compute_dtype)
        if not return_attention_scores:
            return pooled
        return pooled, keras.KerasTensor((batch, length), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AttentionPooling:
        """Create a layer from the result of `get_config`."""
        alignment = keras.saving.deserialize_keras_object(config.get("alignment"))
        return cls(**{**config, "alignment": alignment})
