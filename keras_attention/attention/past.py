"""Scores with memory of the past: what was attended to before enters the score."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import State
from keras_attention.backend.linear import linear
from keras_attention.checks import check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Shape, Tensor


class Past(keras.layers.Layer):
    """Base of what an attention layer adds to its projected keys at each step.

    Formula: `key_j + features_j`, instead of `key_j`, where the features are a function of the
    weights so far. In an additive score `v . tanh(q W_q + k_j W_m + features_j)`.

    The state is one tensor (B, S): the weights of the step before, or the sum of all so far.
    """

    def build(self, features_shape: Shape, key_shape: Shape) -> None:
        """Make the weights for features (B, S, U) and keys (B, S, E)."""
        raise NotImplementedError

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """What `features` needs of the keys (B, S, E), computed once for a memory."""
        return ()

    def features(self, state: State, prepared: tuple[Tensor, ...]) -> Tensor:
        """What is added to the projected keys, (B, S, U)."""
        raise NotImplementedError

    def update(self, state: State, weights: Tensor) -> State:
        """The state after a step with weights (B, S)."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_attention")
class Location(Past):
    """Location-sensitive scores: filters over the weights of the step before.

    Formula: `f_i = F * a`, a convolution over the places with as many filters as `filters` says, of
    the weights a of the step before, or of their sum over all steps before; `features_j = U f_ij`.

    It tells a key from an equal one elsewhere, and lets attention move on from where it was.

    Args:
        filters: Number of filters.
        kernel_size: Places that a filter sees, itself in the middle.
        cumulative: Whether it sees the sum of all weights so far, not the last ones alone.

    Raises:
        ValueError: If a size is not positive.

    Attributes:
        filters_kernel: F, (kernel size, 1, filters).
        location_kernel: U, (filters, U).

    Reference: Chorowski et al. 2015, "Attention-based models for speech recognition", equations 8
    and 9. `cumulative`: Shen et al. 2018 (Tacotron 2), section 2.2.
    """

    def __init__(
        self, filters: int = 32, kernel_size: int = 31, cumulative: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_positive("filters", filters)
        check_positive("kernel_size", kernel_size)
        self.filters = filters
        self.kernel_size = kernel_size
        self.cumulative = cumulative

    def build(self, features_shape: Shape, key_shape: Shape) -> None:
        """Make F and U."""
        self.filters_kernel = self.add_weight(
            name="filters_kernel", shape=(self.kernel_size, 1, self.filters)
        )
        self.location_kernel = self.add_weight(
            name="location_kernel", shape=(self.filters, features_shape[-1])
        )
        self.built = True

    def features(self, state: State, prepared: tuple[Tensor, ...]) -> Tensor:
        """`U (F * a)`."""
        seen = ops.expand_dims(state[0], -1)
        found = ops.conv(seen, ops.cast(self.filters_kernel, seen.dtype), padding="same")
        return linear(found, ops.cast(self.location_kernel, found.dtype))

    def update(self, state: State, weights: Tensor) -> State:
        """The last weights, or the sum of all."""
        weights = ops.cast(weights, state[0].dtype)
        return (state[0] + weights if self.cumulative else weights,)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "cumulative": self.cumulative,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Coverage(Past):
    """Coverage: how much attention each place has had, which tells what is still to be said.

    Formula: `features_j = w_c c_j`, with the coverage `c_j` the sum of the weights of place j over
    all steps before; with a fertility `c_j / phi_j`, `phi_j = N sigmoid(u_f . key_j)`, of how many
    target words the place is expected to make.

    `CoverageLoss` teaches not to attend again.

    Args:
        max_fertility: N; None for no fertility, as See et al. have it.

    Raises:
        ValueError: If `max_fertility` is not positive.

    Attributes:
        coverage_kernel: w_c, (U,).
        fertility_kernel: u_f, (E,), only with a fertility.

    Reference: See, Liu and Manning 2017, equations 10 and 11; Tu et al. 2016, section 3.1.1
    (linguistic coverage).
    """

    def __init__(self, max_fertility: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if max_fertility is not None and not max_fertility > 0:
            raise ValueError(
                "Argument `max_fertility` must be positive or None. "
                f"Received: max_fertility={max_fertility}"
            )
        self.max_fertility = max_fertility

    def build(self, features_shape: Shape, key_shape: Shape) -> None:
        """Make w_c and, with a fertility, u_f."""
        self.coverage_kernel = self.add_weight(
            name="coverage_kernel", shape=(features_shape[-1],), initializer="glorot_uniform"
        )
        if self.max_fertility is not None:
            self.fertility_kernel = self.add_weight(
                name="fertility_kernel", shape=(key_shape[-1],), initializer="glorot_uniform"
            )
        self.built = True

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """The fertility of each place, (B, S)."""
        if self.max_fertility is None:
            return ()
        kernel = ops.cast(self.fertility_kernel, key.dtype)
        expected = ops.sigmoid(at_least_float32(ops.einsum("bse,e->bs", key, kernel)))
        return (self.max_fertility * expected,)

    def features(self, state: State, prepared: tuple[Tensor, ...]) -> Tensor:
        """`w_c c_j`."""
        covered = state[0]
        for fertility in prepared:
            covered = covered / ops.maximum(ops.cast(fertility, covered.dtype), _LEAST_FERTILITY)
        return ops.expand_dims(covered, -1) * ops.cast(self.coverage_kernel, covered.dtype)

    def update(self, state: State, weights: Tensor) -> State:
        """The sum of all weights."""
        return (state[0] + ops.cast(weights, state[0].dtype),)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "max_fertility": self.max_fertility}


_LEAST_FERTILITY = 1e-6
