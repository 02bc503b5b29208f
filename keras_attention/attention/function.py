"""Attention with a custom score function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_attention.attention.scored import Attention
from keras_attention.types import Tensor

ScoreFunction = Callable[[Tensor, Tensor], Tensor]
"""Maps a query (B, T, D) and a key (B, S, E) to scores (B, T, S)."""


@keras.saving.register_keras_serializable(package="keras_attention")
class FunctionAttention(Attention):
    """Attention with a custom score function.

    Formula: `weights = align(function(query, key))`, `context = sum_j weights_j value_j`.

    Args:
        function: `function(query (B, T, D), key (B, S, E)) -> scores (B, T, S)`, written with
            `keras.ops`; for example one of `keras_attention.scores`. To save the layer, register
            the function with `keras.saving.register_keras_serializable`.
        **kwargs: Arguments of `Attention` and `keras.layers.Layer`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.attention.FunctionAttention(ka.scores.dot)
        >>> context = attention(np.ones((2, 5, 3), "float32"), np.ones((2, 7, 3), "float32"))
        >>> tuple(context.shape)
        (2, 5, 3)
    """

    def __init__(self, function: ScoreFunction, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(
                "Argument `function` must be a function of query and key. "
                f"Received: function={function!r}"
            )
        self.function = function

    def build_score(self, query_size: int, key_size: int) -> None:
        """Create nothing: the score has no weights."""

    def compute_scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Call the function."""
        return self.function(query, key)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": function}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Attention:
        """Create a layer from the result of `get_config`."""
        function = keras.saving.deserialize_keras_object(config["function"])
        return super().from_config({**config, "function": function})
