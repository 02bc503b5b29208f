"""Losses over target sequences: padding never counts."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention import backend
from keras_attention.checks import check_fraction, check_shape
from keras_attention.ids import PADDING_ID
from keras_attention.types import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each position, in at least float32.

    Formula: `-(1 - eps) log p(y) - eps / V * sum_v log p(v)` with `p = softmax(logits)` and eps the
    label smoothing.

    Args:
        logits: (B, T, V).
        targets: Ids (B, T).
        label_smoothing: eps, at least 0 and below 1.

    Returns:
        (B, T), in nats.

    Reference: Szegedy et al. 2016, section 7 (label smoothing).
    """
    logits = ops.cast(logits, "float32")
    targets = ops.cast(targets, "int32")
    check_shape("targets", targets.shape, "logits", logits.shape[:-1])
    return backend.cross_entropy(logits, targets, label_smoothing)


def sequence_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
) -> Tensor:
    """Weighted cross-entropy of sequences of logits.

    Formula: `sum(ce * w) / (sum(w) + 1e-12)` over the averaged axes; with none of them, `ce * w`.

    Args:
        logits: (B, T, V).
        targets: Ids (B, T).
        weights: (B, T), 0 on padding.
        average_across_timesteps: Average over T.
        average_across_batch: Average over B.

    Returns:
        A scalar, (T,) or (B,) or (B, T), as averaged, in nats.

    Raises:
        ValueError: If shapes do not fit together.

    Reference: what `tfa.seq2seq.sequence_loss` computed.
    """
    losses = cross_entropy(logits, targets)
    weights = ops.cast(weights, losses.dtype)
    check_shape("weights", weights.shape, "logits", logits.shape[:-1])
    losses = losses * weights
    axes = [
        axis
        for axis, averaged in enumerate((average_across_batch, average_across_timesteps))
        if averaged
    ]
    if not axes:
        return losses
    return ops.sum(losses, axis=axes) / (ops.sum(weights, axis=axes) + 1e-12)


@keras.saving.register_keras_serializable(package="keras_attention")
class MaskedCrossEntropy(keras.losses.Loss):
    """Cross-entropy per real target token, from logits.

    Formula: `sum(ce * m) / sum(m)` over the batch, with m zero where the target is padding (id 0)
    and `ce` as in `keras_attention.losses.cross_entropy`.

    It looks at the targets itself, so that no mask can get lost on the way to it; sample weights
    multiply m.

    Args:
        label_smoothing: Fraction of the target's probability that is spread over all tokens.
        name: Name of the loss.

    Call arguments:
        y_true: Ids (B, T), 0 on padding.
        y_pred: Logits (B, T, V).
        sample_weight: (B,), (B, T) or None.

    Returns:
        A scalar, in nats per token; 0 for a batch of padding alone.

    Raises:
        ValueError: If `label_smoothing` is out of range or shapes do not fit together.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> loss = ka.losses.MaskedCrossEntropy()
        >>> round(float(loss(np.array([[3, 0]]), np.zeros((1, 2, 4), "float32"))), 4)
        1.3863
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        name: str = "masked_cross_entropy",
        **kwargs: Any,
    ) -> None:
        kwargs = {"reduction": "mean_with_sample_weight", **kwargs}
        super().__init__(name=name, **kwargs)
        check_fraction("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """The mean over real tokens."""
        weight = token_weights(y_true, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight=weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Cross-entropy (B, T)."""
        return cross_entropy(y_pred, y_true, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def token_weights(targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """1 on real tokens, 0 on padding (B, T), times the sample weights (B,) or (B, T)."""
    weights = ops.cast(ops.not_equal(ops.cast(targets, "int32"), PADDING_ID), "float32")
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, "float32")
    if len(sample_weight.shape) == 1:
        sample_weight = ops.expand_dims(sample_weight, 1)
    return weights * sample_weight
