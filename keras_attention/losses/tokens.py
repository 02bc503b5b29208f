"""Cross-entropy of target sequences, excluding padding."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention import backend
from keras_attention.checks import check_fraction, check_shape
from keras_attention.ids import PADDING_ID
from keras_attention.types import Shape, Tensor

NO_CLASS = -1
_ROUNDING = 1e-3  # of probabilities in low precision
_LEAST_PROBABILITY = float(np.finfo("float32").tiny)


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Compute the cross-entropy of each position, in at least float32.

    Formula: `-sum_v q(v) log p(v)`, with `p = softmax(logits)`. For ids y, with the label smoothing
    eps, it is `-(1 - eps) log p(y) - eps / V * sum_v log p(v)`; for distributions y(v),
    `q(v) = (1 - eps) y(v) + eps / V`.

    Args:
        logits: (B, T, V).
        targets: Ids (B, T) or (B, T, 1), or distributions (B, T, V), such as one-hot vectors.
        label_smoothing: eps, at least 0 and below 1.

    Returns:
        Loss per token, (B, T), in nats; in a graph, NaN for an id that is no class.

    Raises:
        ValueError: If the shapes do not match, `logits` is the output of a softmax, or, where
            values are known, an id is no class.

    Reference: Szegedy et al. 2016, section 7 (label smoothing).
    """
    check_is_not_softmax("logits", logits)
    logits = ops.cast(logits, "float32")
    targets = targets_for(logits.shape, targets)
    if len(targets.shape) == len(logits.shape):
        return _cross_entropy_of_distributions(logits, targets, label_smoothing)
    targets = ops.cast(targets, "int32")
    _check_are_classes(targets, logits.shape[-1])
    losses = backend.cross_entropy(logits, targets, label_smoothing)
    are_classes = ops.logical_and(targets >= 0, targets < logits.shape[-1])
    return ops.where(are_classes, losses, float("nan"))


def _check_are_classes(targets: Tensor, classes: int) -> None:
    """Raise `ValueError` unless ids are classes, where their values are known."""
    if not backend.is_concrete(targets):
        return
    values = ops.convert_to_numpy(targets)
    if values.size and not (values.min() >= 0 and values.max() < classes):
        raise ValueError(
            f"Target ids must be from 0 to {classes - 1}, as there are logits for {classes} "
            "classes; MaskedCrossEntropy(ignore_class=...) names another id of padding. "
            f"Received: ids from {values.min()} to {values.max()}"
        )


def check_ignore_class(ignore_class: Any) -> None:
    """Raise `TypeError` unless the ignored class is an integer or None."""
    if ignore_class is not None and not isinstance(ignore_class, Integral):
        raise TypeError(
            "Argument `ignore_class` must be the id of padding, an integer, or None; weights of "
            "zero in `sample_weight` leave out other ids. "
            f"Received: ignore_class={ignore_class!r}"
        )


def _cross_entropy_of_distributions(
    logits: Tensor, targets: Tensor, label_smoothing: float
) -> Tensor:
    q = ops.cast(targets, "float32")
    if label_smoothing:
        q = (1.0 - label_smoothing) * q + label_smoothing / logits.shape[-1]
    terms = ops.where(ops.equal(q, 0.0), 0.0, q * ops.log_softmax(logits, axis=-1))
    return -ops.sum(terms, axis=-1)


def targets_for(logits_shape: Shape, targets: Tensor, name: str = "targets") -> Tensor:
    """Return targets as ids (B, T), or as they are if they are distributions (B, T, V).

    Args:
        logits_shape: (B, T, V).
        targets: Ids (B, T) or (B, T, 1), or distributions (B, T, V).
        name: Name of the argument in errors.

    Raises:
        ValueError: If the shapes do not match.
    """
    targets = ops.convert_to_tensor(targets)
    if len(targets.shape) == len(logits_shape):
        if targets.shape[-1] != 1:
            check_shape(name, targets.shape, "logits", logits_shape)
            return targets
        targets = ops.squeeze(targets, axis=-1)
    check_shape(name, targets.shape, "logits", logits_shape[:-1])
    return targets


def check_is_not_softmax(name: str, logits: Tensor) -> None:
    """Raise `ValueError` if `backend.is_softmax` knows that logits are probabilities."""
    if backend.is_softmax(logits):
        raise ValueError(
            f"Argument `{name}` must be logits. Remove the softmax from the model, or use "
            "MaskedCrossEntropy(from_logits=False). "
            f"Received: {name} from a softmax or sigmoid, with shape {tuple(logits.shape)}"
        )


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
        targets: Ids (B, T) or (B, T, 1), or distributions (B, T, V), such as one-hot vectors.
        weights: (B, T), 0 on padding.
        average_across_timesteps: Average over T.
        average_across_batch: Average over B.

    Returns:
        A scalar, (T,), (B,) or (B, T), depending on the averaging, in nats.

    Raises:
        ValueError: If the shapes do not match, or `logits` is the output of a softmax.

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

    Formula: `sum(ce * m) / sum(m)` over the batch, where m is 0 on padding and 1 elsewhere, and
    `ce` is `keras_attention.losses.tokens.cross_entropy`.

    The loss derives m from the targets, so it does not depend on a mask being passed along.
    Sample weights multiply m.

    Two defaults differ from `keras.losses.SparseCategoricalCrossentropy`: `from_logits` is True, so
    the model must end without a softmax, and class 0 is ignored. One class takes what Keras splits
    between this and `CategoricalCrossentropy`: ids and distributions.

    Args:
        label_smoothing: Fraction of the target's probability to spread over all tokens.
        name: Name of the loss.
        from_logits: Whether `y_pred` holds logits; False if the model ends in a softmax.
        ignore_class: The id of padding; None if every id counts.

    Call arguments:
        y_true: Ids (B, T) or (B, T, 1), or distributions (B, T, V), such as one-hot vectors.
            Padding is the ignored class; in distributions, a row whose largest entry is that of
            the ignored class, or a row of zeros.
        y_pred: Logits (B, T, V), or probabilities if `from_logits=False`.
        sample_weight: (B,), (B, T) or None.

    Returns:
        A scalar, in nats per token; 0 if the whole batch is padding. NaN if there is an id that is
        no class (TensorFlow stops with its own error on a CPU), or, with `from_logits=False`, a
        probability below 0.

    Raises:
        TypeError: If `ignore_class` is neither an integer nor None.
        ValueError: If `label_smoothing` is out of range, the shapes do not match, or
            `from_logits=True` and `y_pred` is the output of a softmax. Only TensorFlow knows the
            latter. Where values are known, as with `run_eagerly=True`, an id that is no class is
            an error, too, and the loss warns if the values of the first batch are probabilities
            instead of logits, or the reverse.

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
        *,
        from_logits: bool = True,
        ignore_class: int | None = PADDING_ID,
        **kwargs: Any,
    ) -> None:
        kwargs = {"reduction": "mean_with_sample_weight", **kwargs}
        super().__init__(name=name, **kwargs)
        check_fraction("label_smoothing", label_smoothing)
        check_ignore_class(ignore_class)
        self.label_smoothing = label_smoothing
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self._has_seen_values = False

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Average over the tokens that are not padding."""
        y_pred = ops.convert_to_tensor(y_pred)
        if self.from_logits:
            check_is_not_softmax("y_pred", y_pred)
        if not self._has_seen_values and backend.is_concrete(y_pred):
            self._has_seen_values = True
            _warn_of_other_values(ops.convert_to_numpy(y_pred), self.from_logits)
        weight = target_ids_and_weights(y_true, y_pred, sample_weight, self.ignore_class)[1]
        return super().__call__(y_true, y_pred, sample_weight=weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the cross-entropy of each token, (B, T)."""
        if not self.from_logits:
            y_pred = _log_of(ops.cast(y_pred, "float32"))
        y_true = targets_for(y_pred.shape, y_true, "y_true")
        ignored, is_ids = self.ignore_class, len(y_true.shape) < len(y_pred.shape)
        if is_ids and ignored is not None and not 0 <= ignored < y_pred.shape[-1]:
            y_true = ops.where(ops.equal(y_true, ignored), 0, y_true)
        return cross_entropy(y_pred, y_true, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("label_smoothing", "from_logits", "ignore_class")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _log_of(probabilities: Tensor) -> Tensor:
    """Logarithms: finite at 0, NaN for what is no probability: clearly below 0."""
    logs = ops.log(ops.maximum(probabilities, _LEAST_PROBABILITY))
    return ops.where(probabilities < -_ROUNDING, float("nan"), logs)


def ids_of(targets: Tensor, rank: int, padding: int) -> Tensor:
    """Ids (B, T) of targets: of a distribution, the class of the largest entry.

    Args:
        targets: Ids (B, T), or distributions (B, T, V).
        rank: The number of axes of distributions.
        padding: The id of a row of zeros.
    """
    if len(targets.shape) < rank:
        return targets
    is_given = ops.any(ops.not_equal(targets, 0), axis=-1)
    return ops.where(is_given, ops.cast(ops.argmax(targets, axis=-1), "int32"), padding)


def target_ids_and_weights(
    y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, ignore_class: int | None
) -> tuple[Tensor, Tensor]:
    """Ids (B, T) of targets in any form, and their weights (B, T), 0 on padding."""
    padding = NO_CLASS if ignore_class is None else ignore_class
    ids = ids_of(targets_for(y_pred.shape, y_true, "y_true"), len(y_pred.shape), padding)
    return ids, token_weights(ids, sample_weight, padding)


def token_weights(
    targets: Tensor, sample_weight: Tensor | None = None, padding: int = PADDING_ID
) -> Tensor:
    """Weights (B, T): 1 on tokens, 0 on padding, times the sample weights (B,) or (B, T)."""
    weights = ops.cast(ops.not_equal(ops.cast(targets, "int32"), padding), "float32")
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, "float32")
    if len(sample_weight.shape) == 1:
        sample_weight = ops.expand_dims(sample_weight, 1)
    return weights * sample_weight


def _warn_of_other_values(values: np.ndarray, from_logits: bool) -> None:
    """Warn if values (B, T, V) are probabilities instead of logits, or the reverse."""
    values = values.astype("float32")
    sums_to_one = np.abs(values.sum(-1) - 1.0) < 1e-2
    if from_logits and values.size and (values >= 0.0).all() and sums_to_one.all():
        expected, found = "logits", "probabilities"
    elif not from_logits and (values < 0.0).any():
        expected, found = "probabilities", "logits"
    else:
        return
    warnings.warn(
        f"MaskedCrossEntropy(from_logits={from_logits}) needs {expected}, but `y_pred` seems to "
        f"hold {found}. Received: y_pred with values from {values.min()} to {values.max()}",
        stacklevel=3,
    )
