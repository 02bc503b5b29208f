"""The bridge: what the decoder starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_attention.checks import check_one_of, check_positive
from keras_attention.types import Shape, Tensor

BridgeKind = Literal["dense", "copy", "zeros"]


@keras.saving.register_keras_serializable(package="keras_attention")
class Bridge(keras.layers.Layer):
    """From an encoder's final states to a decoder's initial states.

    Formula, for the decoder's state s of one kind (h or c) and the encoder's final states of that
    kind, forward and backward, side by side as e:

    - `"dense"`: `s = tanh(e W + b)`, with its own W for each layer of the decoder
    - `"copy"`: `s = e`, the same for each layer; the sizes must agree
    - `"zeros"`: `s = 0`; then nothing but attention connects encoder and decoder

    Args:
        sizes: For each cell of the decoder the sizes of its states, h first: `[[512, 512]]` for one
            LSTM cell, `[[512]]` for one GRU cell.
        kind: One of the names above.

    Call arguments:
        states: The encoder's final states: h, c, or forward h, c and backward h, c, (B, U) each.

    Returns:
        The decoder's initial cell states, a flat list from the bottom to the top.

    Raises:
        ValueError: If `kind` is unknown, or sizes do not agree under `"copy"`.

    Reference: Bahdanau, Cho and Bengio 2015, appendix A.2.2 (s_0); `"copy"`: Sutskever, Vinyals and
    Le 2014.
    """

    def __init__(
        self, sizes: Sequence[Sequence[int]], kind: BridgeKind = "dense", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("kind", kind, ("dense", "copy", "zeros"))
        if not all(isinstance(cell, list | tuple) for cell in sizes):
            raise TypeError(
                "Argument `sizes` must hold a list of sizes for each cell, for example "
                f"[[512, 512]] for one LSTM cell. Received: sizes={sizes}"
            )
        self.sizes = [list(cell) for cell in sizes]
        for size in (size for cell in self.sizes for size in cell):
            check_positive("sizes", size)
        self.kind = kind
        self.projections = []
        if kind == "dense":
            self.projections = [
                keras.layers.Dense(size, activation="tanh", dtype=self.dtype_policy)
                for cell in self.sizes
                for size in cell
            ]

    def build(self, states_shape: Sequence[Shape]) -> None:
        """Make the weights for final states of these shapes."""
        available, of_cells = (sum(shape[-1] for shape in states_shape[i::2]) for i in (0, 1))
        if len(states_shape) not in (2, 4) or available != of_cells:
            raise ValueError(
                "Argument `states` must hold h and c of an encoder, or those of both directions, "
                f"of equal sizes. Received: states of {[tuple(shape) for shape in states_shape]}"
            )
        for size in {size for cell in self.sizes for size in cell}:
            if self.kind == "copy" and size != available:
                raise ValueError(
                    "kind='copy' needs encoder states (both directions side by side) of the "
                    "decoder's size. "
                    f"Received: encoder size={available}, decoder size={size}"
                )
        for projection in self.projections:
            projection.build((None, available))
        self.built = True

    def call(self, states: Sequence[Tensor]) -> list[Tensor]:
        """Map the states; see the class."""
        by_kind = [ops.concatenate(states[i::2], axis=-1) for i in (0, 1)]
        sources = [by_kind[i] for cell in self.sizes for i, _ in enumerate(cell)]
        if self.kind == "copy":
            return sources
        if self.kind == "dense":
            pairs = zip(self.projections, sources, strict=True)
            return [projection(source) for projection, source in pairs]
        rows = ops.shape(states[0])[0]
        return [ops.zeros((rows, n), self.compute_dtype) for cell in self.sizes for n in cell]

    def compute_output_spec(self, states: Sequence[Tensor]) -> list[keras.KerasTensor]:
        """Symbolic results of `call`."""
        rows, dtype = states[0].shape[0], self.compute_dtype
        return [keras.KerasTensor((rows, n), dtype=dtype) for cell in self.sizes for n in cell]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "sizes": self.sizes, "kind": self.kind}
