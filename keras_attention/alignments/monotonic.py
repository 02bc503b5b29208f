"""Monotonic attention (Raffel et al. 2017)."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.alignments.linear_recurrence import linear_recurrence
from keras_attention.backend import scan
from keras_attention.checks import check_not_negative, check_one_of
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.masking import allowed, defined
from keras_attention.types import Nest, Shape, Tensor

Mode = Literal["parallel", "recursive", "hard"]


@keras.saving.register_keras_serializable(package="keras_attention")
class Monotonic(Alignment):
    """Monotonic attention: each step scans right from where the previous one stopped.

    Formula: step i scans the positions from left to right. At j it stops with probability `p_ij`,
    otherwise it moves on to j + 1. The weights are the probabilities of stopping at j:

    - `p_ij = sigmoid(score_ij + r + noise)`, 0 on masked positions
    - `q_ij = (1 - p_i,j-1) q_i,j-1 + weights_i-1,j`, the probability of reaching j
    - `weights_ij = p_ij q_ij`

    Step 0 counts as stopped at the first position. Weights sum to at most one; the rest is the
    probability of scanning past the end. The hard mode stops at the first position with
    `score + r > 0`, starting from where the previous step stopped. If there is none, this step and
    all later ones attend to nothing.

    The sum takes `log2(S)` rounds without a division or a logarithm, so it is as accurate for long
    sources as for short ones. TensorFlow Addons divides by a clipped product, which is wrong in the
    second decimal at 30 positions.

    Args:
        mode: `"parallel"` computes all positions at once, `"recursive"` one after another, with the
            same result. `"hard"` is for decoding with a model trained in one of the other modes;
            hard weights have no gradient with respect to the scores.
        noise: Standard deviation of the Gaussian noise in training. It pushes scores away from
            zero, so that hard decoding stops at the same positions.
        score_bias_init: Initial value of r. A negative value, for example -4, lets attention reach
            further to the right early in training.

    Raises:
        ValueError: If `mode` is unknown or `noise` is negative.

    Attributes:
        score_bias: r, a scalar.

    Example:
        With all scores zero, each position stops half of what reaches it:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.Monotonic()(np.zeros((1, 2, 3)))
        >>> print(weights[0].numpy().tolist())
        [[0.5, 0.25, 0.125], [0.25, 0.25, 0.1875]]

    Reference: Raffel, Luong, Liu, Weiss and Eck 2017, "Online and linear-time attention by
    enforcing monotonic alignments", sections 2.2 (hard), 2.3 (in expectation, with the same q),
    2.4 (r) and 2.5 (noise).
    """

    state_count = 1

    def __init__(
        self,
        mode: Mode = "parallel",
        noise: float = 0.0,
        score_bias_init: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("mode", mode, ("parallel", "recursive", "hard"))
        check_not_negative("noise", noise)
        self.mode = mode
        self.noise = noise
        self.score_bias_init = score_bias_init

    def build(
        self,
        scores_shape: Shape | None = None,
        query_shape: Shape | None = None,
        key_shape: Shape | None = None,
    ) -> None:
        """Create r."""
        start = keras.initializers.Constant(self.score_bias_init)
        self.score_bias = self.add_weight(name="score_bias", shape=(), initializer=start)
        self.built = True

    def initial_state(self, batch: Any, length: Any, dtype: str = "float32") -> State:
        """Return the weights (B, S) of a step before the first: all on the first position."""
        return (ops.broadcast_to(_first(length, dtype), (batch, length)),)

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
        dtype = floating(scores).dtype
        scores, may = allowed(scores, value_mask)
        stopped = self._stopped(scores, may, state[0], noise)
        weights = self._spread(stopped, scores, may, query, prepared)
        stopped, weights = (defined(x, scores[:, 0], may[:, 0]) for x in (stopped, weights))
        return ops.cast(ops.expand_dims(weights, 1), dtype), (ops.cast(stopped, state[0].dtype),)

    def _spread(
        self,
        stopped: Tensor,
        scores: Tensor,
        may: Tensor,
        query: Tensor | None,
        prepared: tuple[Tensor, ...],
    ) -> Tensor:
        """Weights (B, S), here the probabilities of stopping; a subclass may spread them."""
        return stopped

    def _stopped(self, scores: Tensor, may: Tensor, before: Tensor, noise: Tensor | None) -> Tensor:
        """Probabilities (B, S) of stopping, given those of the previous step."""
        z = scores + at_least_float32(self.score_bias)
        if noise is not None and self.noise:
            z = z + self.noise * ops.cast(noise, z.dtype)
        before = ops.cast(before, z.dtype)
        z, may = z[:, 0], may[:, 0]
        if self.mode == "hard":
            has_come_by = ops.cumsum(before, axis=-1)
            chosen = has_come_by * ops.cast(ops.logical_and(z > 0.0, may), z.dtype)
            before = ops.broadcast_to(_first(ops.shape(z)[1], z.dtype), ops.shape(z))
            return chosen * linear_recurrence(_shifted(1.0 - chosen), before)
        stop = ops.where(may, ops.sigmoid(z), 0.0)
        go_on = _shifted(ops.where(may, ops.sigmoid(-z), 1.0))
        come_by = _one_by_one if self.mode == "recursive" else linear_recurrence
        return stop * come_by(go_on, before)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {"mode": self.mode, "noise": self.noise, "score_bias_init": self.score_bias_init}
        return {**super().get_config(), **config}


def _first(length: Any, dtype: str) -> Tensor:
    """One at the first position, zero elsewhere, (1, S)."""
    return ops.cast(ops.expand_dims(ops.equal(ops.arange(length), 0), 0), dtype)


def _shifted(x: Tensor) -> Tensor:
    """Shift right by one position, filling with zero."""
    return ops.concatenate([ops.zeros_like(x[:, :1]), x[:, :-1]], axis=1)


def _one_by_one(decay: Tensor, x: Tensor) -> Tensor:
    """`linear_recurrence`, one position after another."""

    def one_place(carry: Nest, here: tuple[Tensor, Tensor]) -> tuple[Nest, Tensor]:
        after = here[0] * carry + here[1]
        return after, after

    by_place = ops.transpose(decay), ops.transpose(x)
    return ops.transpose(scan(one_place, ops.zeros_like(x[:, 0]), by_place)[1])
