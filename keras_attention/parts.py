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

    The configuration also says which parts are frozen or quantized, because a part that the
    constructor creates has no configuration of its own there. A frozen layer freezes the parts that
    it gets, as Keras does with weights.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not getattr(self, "_trainable", True):
            for _, part in _layers_in(name, value):
                part.trainable = False

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, and the `parts_config`."""
        return {**super().get_config(), **parts_config(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Create a layer from the result of `get_config`, its parts deserialized."""
        return with_parts_config(cls, config)

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


def parts_config(layer: keras.layers.Layer) -> dict[str, dict[str, Any]]:
    """What the user changed in parts, and in parts of parts, after they were created, by path.

    Returns:
        `{"trainable_parts": {"heads/1": False}}` for those that train or not unlike what they are
        part of, `{"quantized_parts": {"projections/0": ...}}` for those that are quantized, and
        `{"lora_parts": {"projections/0": ...}}` for those with low-rank updates.
    """
    trainable, quantized, lora = {}, {}, {}
    for path, part, whole in _all_parts_of(layer):
        if part.trainable != whole.trainable:
            trainable[path] = part.trainable
        if part.quantization_mode:
            config = part.get_config()
            quantized[path] = {name: config.get(name) for name in ("dtype", "quantization_config")}
        if getattr(part, "lora_enabled", False):
            config = part.get_config()
            names = ("lora_rank", "lora_alpha")
            lora[path] = {name: config[name] for name in names if config.get(name)}
    found = {"trainable_parts": trainable, "quantized_parts": quantized, "lora_parts": lora}
    return {name: parts for name, parts in found.items() if parts}


def with_parts_config(make: Callable[..., Any], config: dict[str, Any]) -> Any:
    """Call `make` with a configuration that may include a `parts_config`, and apply that."""
    config = dict(config)
    trainable, quantized, lora = (
        config.pop(f"{kind}_parts", {}) for kind in ("trainable", "quantized", "lora")
    )
    layer = make(**config)
    is_changed = trainable or quantized or lora
    parts = {path: part for path, part, _ in _all_parts_of(layer)} if is_changed else {}
    for path in sorted(trainable):  # what a part is in comes before the part
        parts[path].trainable = trainable[path]
    for path, options in quantized.items():
        _quantize(parts[path], **options)
    for path, options in lora.items():
        _update_in_low_rank(parts[path], options)
    return layer


def _quantize(part: keras.layers.Layer, dtype: Any, quantization_config: Any) -> None:
    """Quantize a new part as the saved one was; it may not have weights yet."""
    if part.quantization_mode:
        return  # it was created from a configuration of its own
    policy = keras.dtype_policies.get(dtype)
    options = keras.saving.deserialize_keras_object(quantization_config)
    if part.built:
        part.quantize(policy.quantization_mode, **({"config": options} if options else {}))
    else:
        part.dtype_policy, part.quantization_config = policy, options


def _update_in_low_rank(part: keras.layers.Layer, options: dict[str, Any]) -> None:
    """Give a new part the low-rank updates of the saved one; it may not have weights yet."""
    if getattr(part, "lora_enabled", False):
        return  # it was created from a configuration of its own
    if part.built:
        alpha = {name: value for name, value in options.items() if name == "lora_alpha"}
        part.enable_lora(options["lora_rank"], **alpha)
    for name, value in options.items():
        setattr(part, name, value)


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
