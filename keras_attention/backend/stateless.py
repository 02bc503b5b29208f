"""Layers as pure functions: weights and dropout masks are passed in instead of read by the call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor


def constants_of(layer: Any, dtype: str | None = None) -> list[Tensor]:
    """A layer's weights as tensors, cast to `dtype` if the whole layer computes in it."""
    return [ops.cast(weight, dtype or weight.dtype) for weight in layer.weights]


@contextmanager
def given(layers: Sequence[Any], constants: Sequence[Sequence[Tensor]]) -> Iterator[None]:
    """Make layers compute with these tensors, if there are any, instead of their weights."""
    if not any(constants):
        yield
        return
    with keras.StatelessScope() as scope:
        for layer, own in zip(layers, constants, strict=True):
            for weight, constant in zip(layer.weights, own, strict=True):
                scope.add_update((weight, constant))
        yield


@contextmanager
def added_losses(layers: Sequence[Any]) -> Iterator[list[Tensor]]:
    """Collect the losses that layers, and layers inside them, add; in a loop they would be lost."""
    losses: list[Tensor] = []

    def add_loss(loss: Any) -> None:
        losses.extend(ops.cast(x, "float32") for x in keras.tree.flatten(loss))

    parts = [part for layer in layers for part in layer._flatten_layers()]
    try:
        for part in parts:
            vars(part)["add_loss"] = add_loss
        yield losses
    finally:
        for part in parts:
            vars(part).pop("add_loss", None)


def dropout_masks(cell: Any) -> dict[str, Any]:
    """The dropout masks that a Keras cell has drawn, by attribute name."""
    if not hasattr(cell, "get_dropout_mask"):
        return {}
    names = ("_dropout_mask", "_recurrent_dropout_mask")
    return {name: getattr(cell, name, None) for name in names}


@contextmanager
def dropped_by(cell: Any, masks: dict[str, Any]) -> Iterator[None]:
    """Make a cell use these dropout masks."""
    before = dropout_masks(cell)
    try:
        for name, mask in masks.items():
            setattr(cell, name, mask)
        yield
    finally:
        for name, mask in before.items():
            setattr(cell, name, mask)
