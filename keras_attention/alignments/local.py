"""Local attention (Luong et al. 2015, section 3.2)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.backend.linear import linear
from keras_attention.checks import check_positive
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.masking import allowed, defined, masked_softmax
from keras_attention.types import Shape, Tensor

_NO_QUERY = "Argument `query` must be given: it predicts the center. Received: query=None"


class _Local(Alignment):
    """Base class of the local alignments: a softmax over a window around a center."""

    def __init__(self, window: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive("window", window)
        self.window = window

    def _softmax(self, scores: Tensor, may: Tensor, distance: Tensor) -> Tensor:
        """Softmax over the positions whose distance (B, T, S) from the center fits the window."""
        is_near = ops.logical_and(may, ops.abs(distance) <= self.window)
        return defined(masked_softmax(scores, is_near), scores, may)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalMonotonic(_Local):
    """A softmax over a window that advances one position per step (local-m).

    Formula: `weights_tj = softmax_j(score_tj)` over the positions `|j - p_t| <= D`, 0 elsewhere.
    The center is `p_t = t`, counted from 0, but never beyond the last position that may be attended
    to (in the paper, the window would soon be empty).

    For targets that follow the source position by position. With a window as long as the source,
    this is `Softmax`.

    Args:
        window: D, in positions to each side (10 in the paper).

    Raises:
        ValueError: If `window` is not positive.

    Example:
        With equal scores, each step spreads its weight evenly over its window:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.LocalMonotonic(window=1)(np.zeros((1, 3, 4)))
        >>> print(weights[0].numpy().round(2))
        [[0.5  0.5  0.   0.  ]
         [0.33 0.33 0.33 0.  ]
         [0.   0.33 0.33 0.33]]

    Reference: Luong, Pham and Manning 2015, section 3.2, "monotonic alignment", equation 7.
    """

    state_count = 1

    def initial_state(self, batch: Any, length: Any, dtype: str = "float32") -> State:
        """Return the number of steps so far, (B, 1)."""
        return (ops.zeros((batch, 1), dtype),)

    def align(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        state: State = (),
        *,
        query: Tensor | None = None,
        prepared: tuple[Tensor, ...] = (),
        noise: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Compute the weights; see `Alignment`."""
        (step,), dtype = state, floating(scores).dtype
        scores, may = allowed(scores, value_mask)
        last = ops.max(ops.where(may, _places(scores), 0.0), axis=-1)
        center = ops.expand_dims(ops.minimum(step, ops.cast(last, step.dtype)), 1)
        weights = self._softmax(scores, may, _places(scores) - at_least_float32(center))
        return ops.cast(weights, dtype), (step + 1.0,)


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalPredictive(_Local):
    """A softmax over a window whose center is predicted from the query (local-p).

    Formula: `p_t = L sigmoid(v_p . tanh(W_p q_t))`, with L the number of positions that may be
    attended to, and `weights_tj = softmax_j(score_tj) exp(-(j - p_t)^2 / (2 s^2))` over the
    positions `|j - p_t| <= D`, 0 elsewhere, with `s = D / 2`. The weights sum to at most one.

    Args:
        window: D, in positions to each side (10 in the paper).
        units: U, size of the hidden layer; None uses the number of query features.

    Raises:
        ValueError: If an argument is not positive, or the query is missing.

    Attributes:
        position_kernel: W_p, (D, U).
        position_v: v_p, (U,).

    Example:
        Zero weights predict the middle, `p = 4 sigmoid(0) = 2`. The softmax over four equal scores
        is 1/4; the Gaussian with `s = 1` scales it by `exp(-2)`, `exp(-1/2)`, 1 and `exp(-1/2)`:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> alignment = ka.alignments.LocalPredictive(window=2)
        >>> alignment.build(query_shape=(None, None, 3))
        >>> alignment.set_weights([np.zeros((3, 3)), np.zeros(3)])
        >>> weights = alignment(np.zeros((1, 1, 4)), query=np.ones((1, 1, 3)))
        >>> print(weights[0, 0].numpy().round(2))
        [0.03 0.15 0.25 0.15]

    Reference: Luong, Pham and Manning 2015, section 3.2, "predictive alignment", equations 9 and
    10.
    """

    def __init__(self, window: int = 10, units: int | None = None, **kwargs: Any) -> None:
        super().__init__(window, **kwargs)
        if units is not None:
            check_positive("units", units)
        self.units = units

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Create W_p and v_p."""
        if query_shape is None:
            raise ValueError(_NO_QUERY)
        units = self.units or query_shape[-1]
        self.position_kernel = self.add_weight(
            name="position_kernel", shape=(query_shape[-1], units)
        )
        self.position_v = self.add_weight(
            name="position_v", shape=(units,), initializer="glorot_uniform"
        )
        self.built = True

    def align(
        self,
        scores: Tensor,
        value_mask: Tensor | None = None,
        state: State = (),
        *,
        query: Tensor | None = None,
        prepared: tuple[Tensor, ...] = (),
        noise: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Compute the weights; see `Alignment`."""
        if query is None:
            raise ValueError(_NO_QUERY)
        hidden = linear(query, ops.cast(self.position_kernel, query.dtype))
        v = at_least_float32(self.position_v)
        relative = ops.sigmoid(ops.sum(ops.tanh(at_least_float32(hidden)) * v, axis=-1))
        dtype = floating(scores).dtype
        scores, may = allowed(scores, value_mask)
        length = ops.sum(ops.cast(may, "float32"), axis=-1)
        distance = _places(scores) - ops.expand_dims(length * ops.cast(relative, "float32"), -1)
        near = ops.exp(-2.0 * ops.square(distance / self.window))
        return ops.cast(self._softmax(scores, may, distance) * near, dtype), state

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


def _places(scores: Tensor) -> Tensor:
    """The positions, counted from 0, (S,) float32."""
    return ops.cast(ops.arange(ops.shape(scores)[-1]), "float32")
