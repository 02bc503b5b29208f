"""Losses on attention weights: cover each position only once, or follow a given alignment."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from keras_attention.checks import check_one_of, check_rank, check_shape
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.losses.tokens import token_weights
from keras_attention.types import Tensor

AlignmentCost = Literal["cross_entropy", "squared_error"]
ALIGNMENT_COSTS: tuple[AlignmentCost, ...] = ("cross_entropy", "squared_error")
_LEAST_WEIGHT = 1e-9


def coverage_loss(weights: Tensor) -> Tensor:
    """Measure how much each step attends to positions that earlier steps attended to.

    Formula: `covloss_t = sum_i min(a_ti, c_ti)` with the coverage `c_t = sum_{t' < t} a_t'`,
    computed in at least float32.

    Args:
        weights: a, (B, T, S).

    Returns:
        Loss per step, (B, T): 0 at the first step, and between 0 and 1 where the weights of a step
        sum to one.

    Raises:
        ValueError: If `weights` does not have three axes.

    Reference: See, Liu and Manning 2017, equation 12.
    """
    check_rank("weights", weights.shape, "(batch, target length, source length)")
    weights = at_least_float32(floating(weights))
    before = ops.pad(weights, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return ops.sum(ops.minimum(weights, ops.cumsum(before, axis=1)), axis=-1)


def guided_alignment_loss(
    weights: Tensor, alignment: Tensor, cost: AlignmentCost = "cross_entropy"
) -> Tensor:
    """Measure how far attention weights are from a given alignment, in at least float32.

    Formula, by `cost`, with `A_ti = alignment_ti / sum_j alignment_tj`:

    - `"cross_entropy"`: `-sum_i A_ti log max(a_ti, 1e-9)`
    - `"squared_error"`: `sum_i (A_ti - a_ti)^2`

    Args:
        weights: a, (B, T, S).
        alignment: (B, T, S), not negative; for example 1 where a target token translates a source
            token, and 0 elsewhere.
        cost: One of the two names above.

    Returns:
        Loss per step, (B, T), in nats for the cross-entropy; 0 for a target token without any link.

    Raises:
        ValueError: If the shapes do not match or `cost` is unknown.

    Reference: Chen, Matusov, Khadivi and Peter 2016, "Guided alignment training for topic-aware
    neural machine translation"; in their experiments the cross-entropy did better.
    """
    check_one_of("cost", cost, ALIGNMENT_COSTS)
    check_rank("weights", weights.shape, "(batch, target length, source length)")
    check_shape("alignment", alignment.shape, "weights", weights.shape)
    weights = at_least_float32(floating(weights))
    alignment = ops.cast(alignment, weights.dtype)
    links = ops.sum(alignment, axis=-1, keepdims=True)
    is_aligned = links > 0.0
    alignment = alignment / ops.where(is_aligned, links, 1.0)
    if cost == "cross_entropy":
        terms = -alignment * ops.log(ops.maximum(weights, _LEAST_WEIGHT))
    else:
        terms = ops.square(alignment - weights)
    return ops.sum(ops.where(is_aligned, terms, 0.0), axis=-1)


@keras.saving.register_keras_serializable(package="keras_attention")
class CoverageLoss(keras.losses.Loss):
    """Coverage loss per target token, which penalizes attending to the same position again.

    Formula: `sum(covloss * m) / sum(m)` over the batch, where m is 0 on padding (id 0) and 1
    elsewhere, and `covloss` is `keras_attention.losses.attention.coverage_loss`.

    `Seq2SeqConfig(coverage_loss=1.0)` adds this loss to a `Seq2Seq` model. Use the class for your
    own models that output attention weights.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: Ids (B, T), 0 on padding.
        y_pred: Weights (B, T, S).
        sample_weight: (B,), (B, T) or None.

    Returns:
        A scalar; 0 if the whole batch is padding.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        The first step costs 0, the second `min(0.5, 0.75) + min(0.5, 0.25)`, the third is padding;
        the mean over two tokens is 0.75 / 2:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = np.array([[[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]]], "float32")
        >>> float(ka.losses.CoverageLoss()(np.array([[5, 2, 0]]), weights))
        0.375

    Reference: See, Liu and Manning 2017, equation 12.
    """

    def __init__(self, name: str = "coverage_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **{"reduction": "mean_with_sample_weight", **kwargs})

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Average over the tokens that are not padding."""
        weight = token_weights(y_true, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight=weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the coverage loss of each token, (B, T)."""
        check_shape("y_true", y_true.shape, "y_pred", y_pred.shape[:-1])
        return coverage_loss(y_pred)


@keras.saving.register_keras_serializable(package="keras_attention")
class GuidedAlignmentLoss(keras.losses.Loss):
    """Distance between attention and a given alignment, per aligned target token.

    Formula: `sum(G * m) / sum(m)` over the batch, where m is 1 for target tokens with at least one
    link and 0 for others, and G is `keras_attention.losses.attention.guided_alignment_loss`.

    For models that output attention weights, such as `Seq2Seq.with_attention()`.

    Args:
        cost: `"cross_entropy"` or `"squared_error"`.
        name: Name of the loss.

    Call arguments:
        y_true: The alignment (B, T, S), all zero on padding.
        y_pred: Weights (B, T, S).
        sample_weight: (B,), (B, T) or None.

    Returns:
        A scalar; 0 if no token of the batch has a link.

    Raises:
        ValueError: If `cost` is unknown or the shapes do not match.

    Example:
        The first token translates the first source token, the second has no link: `-log 0.75`.

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = np.array([[[0.75, 0.25], [0.5, 0.5]]], "float32")
        >>> alignment = np.array([[[1, 0], [0, 0]]])
        >>> round(float(ka.losses.GuidedAlignmentLoss()(alignment, weights)), 4)
        0.2877

    Reference: Chen, Matusov, Khadivi and Peter 2016, "Guided alignment training for topic-aware
    neural machine translation".
    """

    def __init__(
        self,
        cost: AlignmentCost = "cross_entropy",
        name: str = "guided_alignment_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **{"reduction": "mean_with_sample_weight", **kwargs})
        check_one_of("cost", cost, ALIGNMENT_COSTS)
        self.cost = cost

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Average over the aligned tokens."""
        is_aligned = ops.any(ops.cast(y_true, "bool"), axis=-1)
        weight = token_weights(is_aligned, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight=weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the distance of each token, (B, T)."""
        return guided_alignment_loss(y_pred, y_true, self.cost)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "cost": self.cost}


class AddCoverageLoss(keras.layers.Layer):
    """Pass outputs through unchanged and add the coverage loss to the model.

    Args:
        factor: Weight of the coverage loss.
    """

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.factor = factor
        self.loss = CoverageLoss()

    def call(self, outputs: Tensor, weights: Tensor, target: Tensor) -> Tensor:
        """Take outputs of any shape, weights (B, T, S), and target ids (B, T), 0 on padding."""
        self.add_loss(self.factor * self.loss(target, weights))
        return outputs
