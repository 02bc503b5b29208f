"""Tied embeddings: Keras's `ReversibleEmbedding`, or one of our own where Keras has none."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class ReversibleEmbedding(keras.layers.Embedding):
    """Embeddings E (V, D) of ids, and the way back: `logits = outputs E^T`.

    What this package needs of `keras.layers.ReversibleEmbedding`, under the same names of class and
    weights, so that files that either wrote load into the other. It cannot be quantized.

    Call arguments:
        inputs: Ids (B, L), or features (B, L, D) with `reverse`.
        reverse: Whether to project back.

    Returns:
        Features (B, L, D), or logits (B, L, V) with `reverse`.

    Raises:
        NotImplementedError: From `quantize`.

    Reference: Press and Wolf 2017, section 2.
    """

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        """Embed or project back; see the class for arguments and results."""
        if not reverse:
            return super().call(inputs)
        return ops.matmul(inputs, ops.transpose(self.embeddings))

    def compute_output_spec(self, inputs: Tensor, reverse: bool = False) -> keras.KerasTensor:
        """Return the symbolic result of `call`."""
        shape = (
            (*inputs.shape[:-1], self.input_dim) if reverse else (*inputs.shape, self.output_dim)
        )
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def quantize(self, mode: str, **kwargs: Any) -> None:
        """Refuse: `Model.quantize` then warns, and leaves this layer as it is."""
        raise NotImplementedError(
            "Tied embeddings are quantized by `keras.layers.ReversibleEmbedding`, which Keras "
            f"{keras.__version__} does not have. Received: mode={mode!r}"
        )


REVERSIBLE_EMBEDDING: type[keras.layers.Layer] = getattr(
    keras.layers, "ReversibleEmbedding", ReversibleEmbedding
)
"""Keras's own where there is one."""
