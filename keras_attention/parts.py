"""Layers that are made of other layers, their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_attention.shapes import SpecifiedLayer


class Composite(SpecifiedLayer):
    """Base layer of layers that keep parts in lists or dictionaries.

    Keras finds such parts, TensorFlow does not: `tf.train.Checkpoint` would leave their weights
    out, and `tf.saved_model.save` would fail. Parts must be public attributes.

    The configuration also says which parts are frozen, because a part that the constructor creates
    has no configuration of its own there. A frozen layer freezes the parts that it gets, as Keras
    does with weights.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not getattr(self, "_trainable", True):
            for _, part in _layers_in(name, value):
                part.trainable = False

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, and which parts are frozen unlike the layer."""
        return {**super().get_config(), **trainable_config(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Create a layer from the result of `get_config`, its parts deserialized."""
        return with_trainable_config(cls, config)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """What TensorFlow saves with this layer, by name; other backends do not call this."""
        children = super()._trackable_children(save_type, **kwargs)
        return {**children, **{path: part for path, part in parts_of(self) if "/" in path}}


def parts_of(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layers that a layer holds as attributes, or in lists and dictionaries there.

    Yields:
        The path and the part, for example `"heads/1"` for `layer.heads[1]`.
    """
    attributes = {**vars(layer), **vars(layer).get("_modules", {})}  # PyTorch keeps parts in there
    for name, value in attributes.items():
        yield from _layers_in(name, value)


def trainable_config(layer: keras.layers.Layer) -> dict[str, dict[str, bool]]:
    """Whether parts, and parts of parts, train, by path, for those unlike what they are part of.

    Returns:
        `{"trainable_parts": {"heads/1": False}}`, or nothing if all are like the layer.
    """
    unlike = {
        path: part.trainable
        for path, part, whole in _all_parts_of(layer)
        if part.trainable != whole.trainable
    }
    return {"trainable_parts": unlike} if unlike else {}


def with_trainable_config(make: Callable[..., Any], config: dict[str, Any]) -> Any:
    """Call `make` with a configuration that may include a `trainable_config`, and apply that."""
    config = dict(config)
    unlike = config.pop("trainable_parts", {})
    layer = make(**config)
    parts = {path: part for path, part, _ in _all_parts_of(layer)} if unlike else {}
    for path in sorted(unlike):  # what a part is in comes before the part
        parts[path].trainable = unlike[path]
    return layer


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layers in a public attribute, by path."""
    if not name.startswith("_"):
        for keys, part in keras.tree.flatten_with_path(value):
            if isinstance(part, keras.layers.Layer):
                yield "/".join(map(str, (name, *keys))), part


def _all_parts_of(
    layer: keras.layers.Layer, prefix: str = ""
) -> Iterator[tuple[str, keras.layers.Layer, keras.layers.Layer]]:
    """The path, the part, and what it is part of, for all parts, outer ones first."""
    for path, part in parts_of(layer):
        yield prefix + path, part, layer
        yield from _all_parts_of(part, f"{prefix}{path}/")
