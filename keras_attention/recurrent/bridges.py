"""The bridge: computes the decoder's initial states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_attention.checks import check_one_of, check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Shape, Tensor

BridgeKind = Literal["dense", "mean", "copy", "zeros"]
BRIDGES: tuple[BridgeKind, ...] = ("dense", "mean", "copy", "zeros")


@keras.saving.register_keras_serializable(package="keras_attention")
class Bridge(keras.layers.Layer):
    """Maps an encoder's results to a decoder's initial states.

    Formula, where s is a decoder state of one kind (h or c), e the encoder's final states of the
    same kind, with both directions concatenated, and h_1 to h_S the encoded positions:

    - `"dense"`: `s = tanh(e W + b)`, with a separate W for each decoder state
    - `"mean"`: `s = tanh((1/S) sum_j h_j W + b)`, likewise; padding is not counted
    - `"copy"`: `s = e`, the same for each layer; the sizes must be equal
    - `"zeros"`: `s = 0`; attention alone connects encoder and decoder

    Args:
        sizes: One list of state sizes per decoder cell, h first: `[[512, 512]]` for one LSTM cell,
            `[[512]]` for one GRU cell.
        kind: One of the names above.

    Call arguments:
        states: The encoder's final states, (B, U) each: h and c, or forward h, c and backward h, c.
        memory: The encoded sequence (B, S, M); only `"mean"` reads it.
        memory_mask: Boolean (B, S), False on padding, or None. Keras fills it in from the mask that
            `memory` carries.

    Returns:
        The decoder's initial states, a flat list from the bottom cell to the top.

    Raises:
        TypeError: If `sizes` is not a list of lists.
        ValueError: If `kind` is unknown, a size is not positive, `states` are not those of an
            encoder, sizes differ under `"copy"`, or `memory` is missing under `"mean"`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> encoded, *states = ka.BiLSTMEncoder(units=4)(np.ones((2, 7, 3), "float32"))
        >>> h, c = ka.recurrent.Bridge([[5, 5]])(states)
        >>> tuple(h.shape), tuple(c.shape)
        ((2, 5), (2, 5))

    Reference: Bahdanau, Cho and Bengio 2015, appendix A.2.2 (s_0); `"mean"`: Sennrich et al. 2017
    ("Nematus"), section 2; `"copy"`: Sutskever, Vinyals and Le 2014.
    """

    def __init__(
        self, sizes: Sequence[Sequence[int]], kind: BridgeKind = "dense", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("kind", kind, BRIDGES)
        if not all(isinstance(cell, list | tuple) for cell in sizes):
            raise TypeError(
                "Argument `sizes` must hold one list of state sizes per cell, for example "
                f"[[512, 512]] for one LSTM cell. Received: sizes={sizes}"
            )
        self.sizes = [list(cell) for cell in sizes]
        for size in (size for cell in self.sizes for size in cell):
            check_positive("sizes", size)
        self.kind = kind
        self.projections = []
        if kind in ("dense", "mean"):
            self.projections = [
                keras.layers.Dense(size, activation="tanh", dtype=self.dtype_policy)
                for cell in self.sizes
                for size in cell
            ]

    def build(self, states_shape: Sequence[Shape], memory_shape: Shape | None = None) -> None:
        """Create the weights for final states, and a memory (B, S, M), of these shapes."""
        available, of_cells = (sum(shape[-1] for shape in states_shape[i::2]) for i in (0, 1))
        if len(states_shape) not in (2, 4) or available != of_cells:
            raise ValueError(
                "Argument `states` must hold an encoder's h and c, of equal size, for one or both "
                f"directions. Received: states with {[tuple(shape) for shape in states_shape]}"
            )
        for size in {size for cell in self.sizes for size in cell}:
            if self.kind == "copy" and size != available:
                raise ValueError(
                    "Argument `states` must have the decoder's size, both directions together, "
                    f"for kind='copy'. Received: encoder size={available}, decoder size={size}"
                )
        if self.kind == "mean":
            available = _given(memory_shape)[-1]
        for projection in self.projections:
            projection.build((None, available))
        self.built = True

    def call(
        self,
        states: Sequence[Tensor],
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> list[Tensor]:
        """Map the states, or the memory; see the class."""
        if self.kind == "mean":
            mean = masked_mean(_given(memory), memory_mask)
            return [projection(mean) for projection in self.projections]
        by_kind = [ops.concatenate(states[i::2], axis=-1) for i in (0, 1)]
        sources = [by_kind[i] for cell in self.sizes for i, _ in enumerate(cell)]
        if self.kind == "copy":
            return sources
        if self.kind == "dense":
            pairs = zip(self.projections, sources, strict=True)
            return [projection(source) for projection, source in pairs]
        rows = ops.shape(states[0])[0]
        return [ops.zeros((rows, n), self.compute_dtype) for cell in self.sizes for n in cell]

    def compute_output_spec(
        self,
        states: Sequence[Tensor],
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> list[keras.KerasTensor]:
        """Return the symbolic results of `call`."""
        rows, dtype = states[0].shape[0], self.compute_dtype
        return [keras.KerasTensor((rows, n), dtype=dtype) for cell in self.sizes for n in cell]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "sizes": self.sizes, "kind": self.kind}


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean (B, D) over the positions of x (B, S, D) where the mask is True; zero if none are."""
    if mask is None:
        return ops.mean(x, axis=1)
    summed = at_least_float32(x)
    valid = ops.cast(mask, summed.dtype)
    total = ops.sum(ops.where(ops.expand_dims(valid, -1) > 0.0, summed, 0.0), axis=1)
    count = ops.sum(valid, axis=1, keepdims=True)
    return ops.cast(total / ops.maximum(count, 1.0), x.dtype)


def _given(memory: Any) -> Any:
    if memory is None:
        raise ValueError(
            "Argument `memory` must be the encoded sequence for kind='mean'. Received: memory=None"
        )
    return memory
