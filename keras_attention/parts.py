"""Layers that are made of other layers, their parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


class Composite(keras.layers.Layer):
    """Base layer of layers that keep parts in lists or dictionaries.

    Keras finds such parts, TensorFlow does not: `tf.train.Checkpoint` would leave their weights
    out, and `tf.saved_model.save` would fail. Parts must be public attributes.
    """

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
        if not name.startswith("_"):
            for keys, part in keras.tree.flatten_with_path(value):
                if isinstance(part, keras.layers.Layer):
                    yield "/".join(map(str, (name, *keys))), part
