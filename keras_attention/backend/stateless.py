"""Layers as pure functions: what a call reads besides its arguments, handed to it from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor


def constants_of(layer: Any, dtype: str | None = None) -> list[Tensor]:
    """The weights of a layer as tensors, of a type if all of the layer computes in that one."""
    return [ops.cast(weight, dtype or weight.dtype) for weight in layer.weights]


@contextmanager
def given(layers: Sequence[Any], constants: Sequence[Sequence[Tensor]]) -> Iterator[None]:
    """Let layers compute with these tensors instead of their weights, where there are any."""
    if not any(constants):
        yield
        return
    with keras.StatelessScope() as scope:
        for layer, own in zip(layers, constants, strict=True):
            for weight, constant in zip(layer.weights, own, strict=True):
                scope.add_update((weight, constant))
        yield


def dropout_masks(cell: Any) -> dict[str, Any]:
    """The masks that a cell of Keras has drawn, by its own names for them."""
    if not hasattr(cell, "get_dropout_mask"):
        return {}
    names = ("_dropout_mask", "_recurrent_dropout_mask")
    return {name: getattr(cell, name, None) for name in names}


@contextmanager
def dropped_by(cell: Any, masks: dict[str, Any]) -> Iterator[None]:
    """Let a cell drop by these masks."""
    before = dropout_masks(cell)
    try:
        for name, mask in masks.items():
            setattr(cell, name, mask)
        yield
    finally:
        for name, mask in before.items():
            setattr(cell, name, mask)
