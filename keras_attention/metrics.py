"""Metrics over target sequences, excluding padding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.ids import PADDING_ID
from keras_attention.losses.tokens import check_ignore_class, target_ids_and_weights
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
        ignore_class: The id of padding; None if every id counts.

    Call arguments:
        y_true: Ids (B, T) or (B, T, 1), or distributions (B, T, V), such as one-hot vectors, whose
            largest entry is the token. Padding is what `MaskedCrossEntropy` ignores.
        y_pred: Logits or probabilities (B, T, V).
        sample_weight: (B,), (B, T) or None.

    Raises:
        TypeError: If `ignore_class` is neither an integer nor None.
        ValueError: If the shapes do not match.

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

    def __init__(
        self,
        name: str = "masked_accuracy",
        *,
        ignore_class: int | None = PADDING_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        check_ignore_class(ignore_class)
        self.ignore_class = ignore_class

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add the tokens of a batch."""
        ids, weights = target_ids_and_weights(y_true, y_pred, sample_weight, self.ignore_class)
        likeliest = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        right = ops.cast(ops.equal(likeliest, ops.cast(ids, "int32")), "float32")
        super().update_state(right, sample_weight=weights)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "ignore_class": self.ignore_class}
