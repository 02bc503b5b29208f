"""Metrics over target sequences, excluding padding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.losses.tokens import token_weights
from keras_attention.types import Tensor

__all__ = [
    "MaskedAccuracy",
]


@keras.saving.register_keras_serializable(package="keras_attention")
class MaskedAccuracy(keras.metrics.Mean):
    """Fraction of the target tokens to which the model gives the highest probability.

    Under teacher forcing, each token is predicted from the true tokens before it. Padding does not
    count.

    Args:
        name: Name of the metric.

    Call arguments:
        y_true: Ids (B, T), 0 on padding.
        y_pred: Logits (B, T, V).
        sample_weight: (B,), (B, T) or None.

    Example:
        The first token is right, the second wrong, the third padding:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> metric = ka.metrics.MaskedAccuracy()
        >>> logits = np.eye(4, dtype="float32")[None, [3, 1, 2]]
        >>> metric.update_state(np.array([[3, 2, 0]]), logits)
        >>> float(metric.result())
        0.5
    """

    def __init__(self, name: str = "masked_accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add the tokens of a batch."""
        likeliest = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        right = ops.cast(ops.equal(likeliest, ops.cast(y_true, "int32")), "float32")
        super().update_state(right, sample_weight=token_weights(y_true, sample_weight))
