"""Softmax and hardmax, which align each step independently."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import Alignment, State
from keras_attention.checks import check_positive_number
from keras_attention.dtypes import floating
from keras_attention.masking import allowed, defined, masked_softmax
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Alignment):
    """A softmax over the positions that may be attended to.

    Formula: `weights = softmax(scores / temperature)`, by `keras_attention.masking`.

    Args:
        temperature: Positive; values below 1 sharpen the weights, values above 1 flatten them.

    Raises:
        ValueError: If `temperature` is not positive.

    Example:
        Weights in the ratio 1 : 3; at half the temperature, 1 : 9:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> scores = np.log([[[1.0, 3.0]]])
        >>> print(ka.alignments.Softmax()(scores).numpy().round(2))
        [[[0.25 0.75]]]
        >>> print(ka.alignments.Softmax(temperature=0.5)(scores).numpy().round(2))
        [[[0.1 0.9]]]
    """

    def __init__(self, temperature: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive_number("temperature", temperature)
        self.temperature = temperature

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
        if self.temperature != 1.0:
            scores = scores / self.temperature
        return masked_softmax(scores, value_mask), state

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_attention")
class Hardmax(Alignment):
    """All weight on the position with the highest score (the first one, if several tie).

    Formula: `weights_j = 1` for `j = argmax_i score_i`, else 0, the limit of a softmax as its
    temperature approaches zero. There is no gradient with respect to the scores: train with an
    alignment that has the same weights, such as `Softmax`, then replace it with this one.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> weights = ka.alignments.Hardmax()(np.array([[[0.2, 1.5, -1.0]]]))
        >>> weights[0, 0].numpy().tolist()
        [0.0, 1.0, 0.0]
    """

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
        places = ops.arange(ops.shape(scores)[-1])
        _, best = ops.top_k(scores, 1)  # Keras's argmax uses operations that ONNX lacks
        weights = ops.cast(ops.equal(places, ops.cast(best, places.dtype)), dtype)
        return defined(weights, scores, may), state
