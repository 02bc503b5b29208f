"""The size of XNNPACK's workspace for an exported model in LiteRT; see docs/litert-workspace.md.

The workspace must not grow while it is in use. This module estimates the size it needs in advance;
the loop in `backend/tensorflow_workspace.py` makes LiteRT allocate it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import keras
from keras import ops

from keras_attention.attention import AttentionLayer
from keras_attention.types import Tensor

ROOM = 2
"""LiteRT's workspace has room for sources this many times as long as the longest."""
_LONGEST = 128  # if there is no maximum length


class Workspace(NamedTuple):
    """A workspace that is large enough from the first call on.

    Attributes:
        places: The number of source positions it has room for.
        floats: Its size in float32 numbers, an upper bound on what any part of the graph holds.
    """

    places: int
    floats: int

    @classmethod
    def estimated(
        cls,
        encoder: keras.layers.Layer,
        model: keras.layers.Layer,
        attended: int,
        hypotheses: int,
        steps: int,
        longest: int | None,
    ) -> Workspace:
        """A generous estimate for a batch of one source.

        It assumes that a part of the graph holds all of this at once: for each hypothesis, the
        memory, an attention weight per position and step, and twice the output of every layer.

        Args:
            encoder: The layer that computes something for each source position.
            model: The whole model, including the encoder.
            attended: Size of the memory per position, in numbers.
            hypotheses: Maximum number of hypotheses.
            steps: Maximum number of steps per hypothesis.
            longest: Length of the longest source; None if there is no limit.
        """
        places = ROOM * (longest or _LONGEST)
        each_place = hypotheses * (attended + steps) + _output_sizes(encoder)
        return cls(places, places * each_place + 2 * hypotheses * _output_sizes(model))

    def reserve(self, length: Tensor) -> Tensor:
        """A zero to add to an input of everything XNNPACK computes; see `reserve_workspace`."""
        from keras_attention.backend.tensorflow_workspace import reserve_workspace

        return reserve_workspace(length, self.places, self.floats)


def with_reserved_workspace(
    inputs: Mapping[str, Tensor], model: keras.Model, longest: int, hypotheses: int = 1
) -> dict[str, Tensor]:
    """Return the inputs of your own graph so that XNNPACK's workspace does not grow while in use.

    Call it in the function that you convert, before the model (TensorFlow only):

        def call(**inputs):
            return model(with_reserved_workspace(inputs, model, longest=200))

    Args:
        inputs: The tensors that the model takes, by name, with a static batch size of 1.
        model: The model.
        longest: The length that most inputs do not exceed. Longer ones work, but if one follows
            shorter inputs, the workspace grows.
        hypotheses: Hypotheses per row of a search around the model, K.

    Returns:
        The same values, which LiteRT computes after it has reserved the workspace.

    Raises:
        ValueError: If no input has an axis of unknown length.
    """
    lengths = [
        ops.shape(x)[axis]
        for x in inputs.values()
        for axis, size in enumerate(x.shape)
        if size is None
    ]
    if not lengths:
        raise ValueError(
            "Argument `inputs` must have an axis of unknown length; otherwise the workspace never "
            f"grows. Received shapes: {[tuple(x.shape) for x in inputs.values()]}"
        )
    workspace = Workspace.estimated(
        encoder=model,
        model=model,
        attended=_output_sizes(model),
        hypotheses=hypotheses,
        steps=ROOM * longest,
        longest=longest,
    )
    zero = workspace.reserve(ops.max(ops.stack(lengths)))
    return {name: _after(zero, x) for name, x in inputs.items()}


def _after(zero: Tensor, x: Tensor) -> Tensor:
    """A tensor of numbers, booleans or strings as a result of what computes a zero."""
    import tensorflow as tf

    if x.dtype == tf.bool:
        return ops.logical_or(x, ops.cast(zero, "bool"))
    if x.dtype == tf.string:
        after = tf.reshape(x, tf.shape(x) + ops.cast(zero, "int32"))
        after.set_shape(x.shape)
        return after
    return x + ops.cast(zero, x.dtype)


def grows_in_steps(attention: AttentionLayer | None) -> bool:
    """Whether LiteRT prepares parts of a decoder step after other parts have run.

    It does if the attention has a state; otherwise it prepares all parts before running any.
    """
    return attention is not None and attention.state_count > 0


def _output_sizes(layer: keras.layers.Layer) -> int:
    """Sum of the longest axis of every weight, an upper bound on the layers' output sizes."""
    return sum(max(weight.shape, default=1) for weight in layer.weights)
