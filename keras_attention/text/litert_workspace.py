"""How much XNNPACK's workspace must hold of an exported model in LiteRT; docs/litert-workspace.md.

The workspace must not grow while it is in use. What is here says how large to make it in advance;
`backend/tensorflow_workspace.py` has the loop that makes it so.
"""

from __future__ import annotations

from typing import NamedTuple

import keras

from keras_attention.attention import AttentionLayer
from keras_attention.types import Tensor

ROOM = 2
"""LiteRT's workspace has room for sources so many times as long as the longest."""
_LONGEST = 128  # where no maximum is known


class Workspace(NamedTuple):
    """A workspace that is large enough from the first call on.

    Attributes:
        places: For how long a source.
        floats: How many float32 numbers: no fewer than any part of the graph holds at a time.
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
        """More than enough for one source at a time.

        As if a part held at once, for each hypothesis, all that is attended to and a weight for
        each place and step, and twice the output of every layer.

        Args:
            encoder: What computes something for each place.
            model: All that computes, the encoder included.
            attended: Numbers that are attended to in one place.
            hypotheses: The most at a time.
            steps: The most steps of a hypothesis.
            longest: The longest source, in places; None if there is no limit.
        """
        places = ROOM * (longest or _LONGEST)
        each_place = hypotheses * (attended + steps) + _output_sizes(encoder)
        return cls(places, places * each_place + 2 * hypotheses * _output_sizes(model))

    def reserve(self, length: Tensor) -> Tensor:
        """0, to be added to what all that XNNPACK computes depends on: see `reserve_workspace`."""
        from keras_attention.backend.tensorflow_workspace import reserve_workspace

        return reserve_workspace(length, self.places, self.floats)


def grows_in_steps(attention: AttentionLayer | None) -> bool:
    """Whether LiteRT prepares parts of a decoder's step after others have run.

    It does where the attention keeps a state, and otherwise prepares all before any runs.
    """
    return attention is not None and attention.state_count > 0


def _output_sizes(layer: keras.layers.Layer) -> int:
    """The longest axes of all weights: no fewer than the features of what the parts put out."""
    return sum(max(weight.shape, default=1) for weight in layer.weights)
