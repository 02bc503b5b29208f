"""Cross-entropy of target sequences, excluding padding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention import backend
from keras_attention.checks import check_fraction, check_shape
from keras_attention.ids import PADDING_ID
from keras_attention.types import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Compute the cross-entropy of each position, in at least float32.

    Formula: `-(1 - eps) log p(y) - eps / V * sum_v log p(v)`, with `p = softmax(logits)` and the
    label smoothing eps.

    Args:
        logits: (B, T, V).
        targets: Ids (B, T).
        label_smoothing: eps, at least 0 and below 1.

    Returns:
        Loss per token, (B, T), in nats.

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
    """Compute the weighted cross-entropy of sequences.

    Formula: `sum(ce * w) / (sum(w) + 1e-12)` over the averaged axes, or `ce * w` without averaging.

    Args:
        logits: (B, T, V).
        targets: Ids (B, T).
        weights: (B, T), 0 on padding.
        average_across_timesteps: Average over T.
        average_across_batch: Average over B.

    Returns:
        A scalar, (T,), (B,) or (B, T), depending on the averaging, in nats.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        The targets have the probabilities 1/2 and 1/4, then there is padding; the mean of `log 2`
        and `log 4` is 1.0397:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> logits = np.log([[[0.5, 0.5], [0.75, 0.25], [0.9, 0.1]]])
        >>> loss = ka.losses.sequence_loss(logits, [[1, 1, 0]], weights=[[1.0, 1.0, 0.0]])
        >>> round(float(loss), 4)
        1.0397

    Reference: `tfa.seq2seq.sequence_loss` of TensorFlow Addons, which gives the same result.
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
    """Cross-entropy per target token, from logits.

    Formula: `sum(ce * m) / sum(m)` over the batch, where m is 0 on padding (id 0) and 1 elsewhere,
    and `ce` is `keras_attention.losses.tokens.cross_entropy`.

    The loss derives m from the targets, so it does not depend on a mask being passed along.
    Sample weights multiply m.

    Args:
        label_smoothing: Fraction of the target's probability to spread over all tokens.
        name: Name of the loss.

    Call arguments:
        y_true: Ids (B, T), 0 on padding.
        y_pred: Logits (B, T, V).
        sample_weight: (B,), (B, T) or None.

    Returns:
        A scalar, in nats per token; 0 if the whole batch is padding.

    Raises:
        ValueError: If `label_smoothing` is out of range or the shapes do not match.

    Example:
        One token among four equally likely ones, `log 4`, and padding:

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
        """Average over the tokens that are not padding."""
        weight = token_weights(y_true, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight=weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the cross-entropy of each token, (B, T)."""
        return cross_entropy(y_pred, y_true, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def token_weights(targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Weights (B, T): 1 on tokens, 0 on padding, times the sample weights (B,) or (B, T)."""
    weights = ops.cast(ops.not_equal(ops.cast(targets, "int32"), PADDING_ID), "float32")
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, "float32")
    if len(sample_weight.shape) == 1:
        sample_weight = ops.expand_dims(sample_weight, 1)
    return weights * sample_weight
