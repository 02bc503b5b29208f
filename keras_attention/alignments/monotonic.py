"""Monotonic attention (Raffel et al. 2017)."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.alignments.linear_recurrence import linear_recurrence
from keras_attention.backend import scan
from keras_attention.checks import check_not_negative, check_one_of
from keras_attention.dtypes import at_least_float32
from keras_attention.masking import aligned_mask
from keras_attention.types import Nest, Shape, Tensor

Mode = Literal["parallel", "recursive", "hard"]


@keras.saving.register_keras_serializable(package="keras_attention")
class Monotonic(Alignment):
    """Each step goes on from where the one before stopped, to the right, and stops at one place.

    Formula: at step i, from place to place, it stops at j with probability `p_ij`, else goes on to
    j + 1. The weights are the probabilities of having stopped at j:

    - `p_ij = sigmoid(score_ij + r + noise)`, 0 on masked places
    - `q_ij = (1 - p_i,j-1) q_i,j-1 + weights_i-1,j`, the probability of coming by j
    - `weights_ij = p_ij q_ij`

    where step 0 stopped at the first place. Weights sum to at most one: what is missing went past
    the end. The hard mode stops, without a probability, at the first place from the last one on
    with `score + r > 0`, and nowhere, then and ever after, if there is none.

    The sum is formed without a division or a logarithm, in `log2(S)` rounds, and so is as exact on
    long sources as on short ones; TensorFlow Addons divides by a clipped product instead, which is
    off in the second decimal at 30 places.

    Args:
        mode: `"parallel"` in all places at once, `"recursive"` place by place, which gives the same
            numbers; `"hard"` to decode with a model that was trained by one of the others. Hard
            weights have no gradient to the scores.
        noise: Standard deviation of the noise n, normally distributed, in training: it teaches
            scores to be far from zero, so that hard decoding finds the same places.
        score_bias_init: What r starts from. A negative one, for example -4, lets attention look
            further in the first steps of training.

    Raises:
        ValueError: If `mode` is unknown or `noise` is negative.

    Attributes:
        score_bias: r, a scalar.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.Monotonic()(np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]))
        >>> print(weights[0].numpy().tolist())
        [[0.5, 0.25, 0.125], [0.25, 0.25, 0.1875]]

    Reference: Raffel, Luong, Liu, Weiss and Eck 2017, "Online and linear-time attention by
    enforcing monotonic alignments", sections 2.2 (hard), 2.3 (in expectation; their q is ours),
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
        """Make r."""
        start = keras.initializers.Constant(self.score_bias_init)
        self.score_bias = self.add_weight(name="score_bias", shape=(), initializer=start)
        self.built = True

    def initial_state(self, batch: Any, length: Any, dtype: str = "float32") -> State:
        """The weights (B, S) of a step before the first: all on the first place."""
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
        """Weigh; see `Alignment`."""
        stopped = self._stopped(scores, value_mask, state[0], noise)
        weights = self._spread(stopped, scores, value_mask, query, prepared)
        result = ops.cast(ops.expand_dims(weights, 1), scores.dtype)
        return result, (ops.cast(stopped, state[0].dtype),)

    def _spread(
        self,
        stopped: Tensor,
        scores: Tensor,
        value_mask: Tensor | None,
        query: Tensor | None,
        prepared: tuple[Tensor, ...],
    ) -> Tensor:
        """Weights (B, S) of the probabilities (B, S) of stopping: these themselves."""
        return stopped

    def _stopped(
        self, scores: Tensor, value_mask: Tensor | None, before: Tensor, noise: Tensor | None
    ) -> Tensor:
        """Probabilities (B, S) of stopping, after those of the step before."""
        z = at_least_float32(scores) + at_least_float32(self.score_bias)
        if noise is not None and self.noise:
            z = z + self.noise * ops.cast(noise, z.dtype)
        before = ops.cast(before, z.dtype)
        may = True if value_mask is None else aligned_mask(value_mask, scores)[:, 0]
        z = z[:, 0]
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
        """The constructor's arguments."""
        config = {"mode": self.mode, "noise": self.noise, "score_bias_init": self.score_bias_init}
        return {**super().get_config(), **config}


def _first(length: Any, dtype: str) -> Tensor:
    """One on the first place, (1, S)."""
    return ops.cast(ops.expand_dims(ops.equal(ops.arange(length), 0), 0), dtype)


def _shifted(x: Tensor) -> Tensor:
    """Each place's left neighbor; the first place has zero."""
    return ops.concatenate([ops.zeros_like(x[:, :1]), x[:, :-1]], axis=1)


def _one_by_one(decay: Tensor, x: Tensor) -> Tensor:
    """`linear_recurrence`, place by place."""

    def one_place(carry: Nest, here: tuple[Tensor, Tensor]) -> tuple[Nest, Tensor]:
        after = here[0] * carry + here[1]
        return after, after

    by_place = ops.transpose(decay), ops.transpose(x)
    return ops.transpose(scan(one_place, ops.zeros_like(x[:, 0]), by_place)[1])
