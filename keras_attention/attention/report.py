"""The attention weights of a whole model: its layers report them while it runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.backend import is_concrete
from keras_attention.types import Tensor

_REPORTED: ContextVar[dict[str, Tensor] | None] = ContextVar("attention weights", default=None)


def attention_of(model: keras.layers.Layer, inputs: Any) -> dict[str, np.ndarray]:
    """The weights of every attention layer and decoder in a model, for these inputs.

    The model need not return its weights, nor be built again: call this on any Keras model, trained
    or just loaded from a file, wherever in it the layers are. It runs once, without compilation and
    outside training, on all rows at once, so pass the rows that you want to look at.

    Args:
        model: A Keras model with attention layers of this package (not Keras's own).
        inputs: What the model is called with: arrays, or a list or dictionary of arrays.

    Returns:
        The weights by name of the layer, float32, in the shape that `return_attention_scores=True`
        returns: (B, T, S) of a decoder or of a layer with a sequence of queries, with (B, H, T, S)
        for the heads of a `MultiHead`, and (B, S) of a pooling or of a layer with one query. An
        attention layer inside a decoder has the decoder's name. If layers share a name, or one is
        called several times, the second call is called `name/2`, and so on.

    Raises:
        TypeError: If `model` is not a Keras model or layer.
        ValueError: If no attention layer runs.

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> words = keras.Input((None,), dtype="int32")
        >>> embedded = keras.layers.Embedding(10, 4, mask_zero=True)(words)
        >>> pooled = ka.AttentionPooling(5, name="pooling")(embedded)
        >>> model = keras.Model(words, keras.layers.Dense(2)(pooled))
        >>> found = ka.attention_of(model, np.array([[3, 4, 5], [6, 7, 0]]))
        >>> found["pooling"].shape, float(found["pooling"][1, 2])
        ((2, 3), 0.0)
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"Argument `model` must be a Keras model. Received: model={model!r}")
    found: dict[str, Tensor] = {}
    before = _REPORTED.set(found)
    try:
        model(inputs, training=False)
    finally:
        _REPORTED.reset(before)
    if not found:
        raise ValueError(
            "Argument `model` must contain an attention layer or a decoder with attention of "
            f"keras_attention. Received: a {type(model).__name__} without any"
        )
    return {name: ops.convert_to_numpy(ops.cast(w, "float32")) for name, w in found.items()}


def report(layer: keras.layers.Layer, weights: Tensor | None) -> None:
    """Hand the weights of a layer's call to `attention_of`, if it is running."""
    found = _REPORTED.get()
    if found is None or weights is None or not is_concrete(weights):
        return
    calls = sum(name.partition("/")[0] == layer.name for name in found)
    found[f"{layer.name}/{calls + 1}" if calls else layer.name] = weights
