"""Scores that depend on the weights of earlier steps."""

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
    """Base layer of all `past` arguments: adds features of earlier weights to the projected keys.

    Formula: `key_j + features_j` replaces `key_j`, where the features are a function of the weights
    so far. An additive score becomes `v . tanh(q W_q + k_j W_m + features_j)`.

    The state is one tensor (B, S): the weights of the previous step, or the sum of all so far.

    Example:
        A `past` of your own, which keeps attention from staying where it was:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> from keras import ops
        >>> class Restless(ka.attention.Past):
        ...     def build(self, features_shape, key_shape):
        ...         self.built = True
        ...
        ...     def features(self, state, prepared):
        ...         return -10.0 * ops.expand_dims(state[0], -1)
        ...
        ...     def update(self, state, weights):
        ...         return (weights,)
        >>> attention = ka.LuongAttention("dot", past=Restless())
        >>> query, value = np.ones((1, 3, 1)), np.array([[[2.0], [1.0]]])
        >>> _, weights = attention(query, value, return_attention_scores=True)
        >>> print(weights[0].numpy().round(1))
        [[0.7 0.3]
         [0.  1. ]
         [1.  0. ]]
    """

    def build(self, features_shape: Shape, key_shape: Shape) -> None:
        """Create the weights for features (B, S, U) and keys (B, S, E)."""
        raise NotImplementedError

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """Compute once per memory what `features` needs from the keys (B, S, E)."""
        return ()

    def features(self, state: State, prepared: tuple[Tensor, ...]) -> Tensor:
        """Return the features (B, S, U) to add to the projected keys."""
        raise NotImplementedError

    def update(self, state: State, weights: Tensor) -> State:
        """Return the state after a step with weights (B, S)."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_attention")
class Location(Past):
    """Location-sensitive scores: a convolution over the weights of the previous step.

    Formula: `f_i = F * a`, `features_j = U f_ij`: a convolution over the positions of the weights a
    of the previous step, or of the sum of all earlier weights.

    It tells equal keys at different positions apart and lets attention move on from where it was.

    Args:
        filters: Number of filters.
        kernel_size: Number of positions that a filter covers, centered on its own.
        cumulative: Whether to use the sum of all weights so far instead of the last weights.

    Raises:
        ValueError: If a size is not positive.

    Attributes:
        filters_kernel: F, (kernel size, 1, filters).
        location_kernel: U, (filters, U).

    Example:
        A filter that looks one position to the left makes attention move right, step by step:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> location = ka.attention.Location(filters=1, kernel_size=3)
        >>> attention = ka.LuongAttention("dot", past=location)
        >>> query, value = np.ones((1, 3, 1)), np.array([[[5.0], [0.0], [0.0]]])
        >>> attention.build(query.shape, value.shape)
        >>> location.set_weights([np.array([[[1.0]], [[0.0]], [[0.0]]]), np.array([[10.0]])])
        >>> _, weights = attention(query, value, return_attention_scores=True)
        >>> print(weights[0].numpy().round(1))
        [[1. 0. 0.]
         [0. 1. 0.]
         [0. 0. 1.]]

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
        """Create F and U."""
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
        """Return the last weights, or the sum of all."""
        weights = ops.cast(weights, state[0].dtype)
        return (state[0] + weights if self.cumulative else weights,)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "cumulative": self.cumulative,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Coverage(Past):
    """Coverage: the attention each position has received so far, which shows what is left to say.

    Formula: `features_j = w_c c_j`, where the coverage `c_j` sums the weights of position j over
    all earlier steps. With a fertility, `c_j / phi_j` replaces `c_j`, and
    `phi_j = N sigmoid(u_f . key_j)` predicts how many target words position j will produce.

    Train with `CoverageLoss` to penalize attending to a position again.

    Args:
        max_fertility: N; None for no fertility, as in See et al.

    Raises:
        ValueError: If `max_fertility` is not positive.

    Attributes:
        coverage_kernel: w_c, (U,).
        fertility_kernel: u_f, (E,), only with a fertility.

    Example:
        A negative w_c lowers the scores of positions that have had their attention:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> coverage = ka.attention.Coverage()
        >>> attention = ka.LuongAttention("dot", past=coverage)
        >>> query, value = np.ones((1, 2, 1)), np.array([[[2.0], [1.0]]])
        >>> attention.build(query.shape, value.shape)
        >>> coverage.set_weights([np.array([-5.0])])
        >>> _, weights = attention(query, value, return_attention_scores=True)
        >>> print(weights[0].numpy().round(2))
        [[0.73 0.27]
         [0.21 0.79]]

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
        """Create w_c and, with a fertility, u_f."""
        self.coverage_kernel = self.add_weight(
            name="coverage_kernel", shape=(features_shape[-1],), initializer="glorot_uniform"
        )
        if self.max_fertility is not None:
            self.fertility_kernel = self.add_weight(
                name="fertility_kernel", shape=(key_shape[-1],), initializer="glorot_uniform"
            )
        self.built = True

    def prepare(self, key: Tensor) -> tuple[Tensor, ...]:
        """Return the fertility of each position, (B, S), if there is one."""
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
        """Return the sum of all weights."""
        return (state[0] + ops.cast(weights, state[0].dtype),)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "max_fertility": self.max_fertility}


_LEAST_FERTILITY = 1e-6
