"""What JAX needs: compiled functions that read a model's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras


def compiled(function: Callable[..., Any], weights: Sequence[Any]) -> Callable[..., Any]:
    """`keras_attention.backend.compiled` as a function that XLA compiles for each shape.

    JAX takes what a compiled function reads besides its arguments for constants, so the weights
    become an argument, too.
    """

    @jax.jit
    def pure(values: Sequence[Any], *arguments: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
            return function(*arguments)

    return lambda *arguments: pure([weight.value for weight in weights], *arguments)
