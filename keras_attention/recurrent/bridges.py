"""The bridge: computes the decoder's initial states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_attention.checks import check_one_of, check_positive
from keras_attention.dtypes import at_least_float32
from keras_attention.parts import Composite
from keras_attention.types import Shape, Tensor

BridgeKind = Literal["dense", "mean", "copy", "zeros"]
BRIDGES: tuple[BridgeKind, ...] = ("dense", "mean", "copy", "zeros")


@keras.saving.register_keras_serializable(package="keras_attention")
class Bridge(Composite):
    """Maps an encoder's results to a decoder's initial states.

    Formula, where s is a decoder state of one kind (h or c), e the encoder's final states of the
    same kind, with both directions concatenated (of the encoder's last kind if it lacks the
    decoder's: c, too, starts from the h of a GRU), and h_1 to h_S the encoded positions:

    - `"dense"`: `s = tanh(e W + b)`, with a separate W for each decoder state
    - `"mean"`: `s = tanh((1/S) sum_j h_j W + b)`, likewise; padding is not counted
    - `"copy"`: `s = e`, the same for each layer; the sizes must be equal
    - `"zeros"`: `s = 0`; attention alone connects encoder and decoder

    Args:
        sizes: One list of state sizes per decoder cell, h first: `[[512, 512]]` for one LSTM cell,
            `[[512]]` for one GRU cell.
        kind: One of the names above.
        states_per_direction: How many final states each direction of the encoder has: 2 for an LSTM
            (h and c), 1 for a GRU or SimpleRNN (h). None infers it from the number of states, which
            two states do not tell: they are h and c of one direction, or h of both.

    Call arguments:
        states: The encoder's final states, (B, U) each, as Keras layers return them: those of the
            forward direction, then those of the backward direction, if there is one.
        memory: The encoded sequence (B, S, M); only `"mean"` reads it.
        memory_mask: Boolean (B, S), False on padding, or None. Keras fills it in from the mask that
            `memory` carries.

    Returns:
        The decoder's initial states, a flat list from the bottom cell to the top.

    Raises:
        TypeError: If `sizes` is not a list of lists.
        ValueError: If `kind` is unknown, a size is not positive, `states` are not those of an
            encoder or can be read in two ways, sizes differ under `"copy"`, or `memory` is missing
            under `"mean"`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> encoded, *states = ka.BiLSTMEncoder(units=4)(np.ones((2, 7, 3), "float32"))
        >>> h, c = ka.recurrent.Bridge([[5, 5]])(states)
        >>> tuple(h.shape), tuple(c.shape)
        ((2, 5), (2, 5))

        A bidirectional GRU has two states, like an LSTM of one direction, so say which it is:

        >>> import keras
        >>> gru = keras.layers.GRU(4, return_sequences=True, return_state=True)
        >>> encoded, *states = keras.layers.Bidirectional(gru)(np.ones((2, 7, 3), "float32"))
        >>> (h,) = ka.recurrent.Bridge([[5]], states_per_direction=1)(states)
        >>> tuple(h.shape)
        (2, 5)

    Reference: Bahdanau, Cho and Bengio 2015, appendix A.2.2 (s_0); `"mean"`: Sennrich et al. 2017
    ("Nematus"), section 2; `"copy"`: Sutskever, Vinyals and Le 2014.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[int]],
        kind: BridgeKind = "dense",
        states_per_direction: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("kind", kind, BRIDGES)
        check_one_of("states_per_direction", states_per_direction, (1, 2, None))
        are_lists = isinstance(sizes, list | tuple)
        if not are_lists or not all(isinstance(cell, list | tuple) for cell in sizes):
            raise TypeError(
                "Argument `sizes` must hold one list of state sizes per cell, for example "
                f"[[512, 512]] for one LSTM cell. Received: sizes={sizes}"
            )
        self.sizes = [list(cell) for cell in sizes]
        for size in (size for cell in self.sizes for size in cell):
            check_positive("sizes", size)
        self.kind = kind
        self.states_per_direction = states_per_direction
        self.projections = []
        if kind in ("dense", "mean"):
            self.projections = [
                keras.layers.Dense(size, activation="tanh", dtype=self.dtype_policy)
                for cell in self.sizes
                for size in cell
            ]

    def build(self, states_shape: Sequence[Shape], memory_shape: Shape | None = None) -> None:
        """Create the weights for final states, and a memory (B, S, M), of these shapes."""
        if not all(isinstance(shape, list | tuple) for shape in states_shape):
            raise ValueError(
                "Argument `states` must be a list of tensors (B, U). "
                f"Received: one tensor, states.shape={tuple(states_shape)}"
            )
        if any(isinstance(size, list | tuple) for shape in states_shape for size in shape):
            raise ValueError(
                "Argument `states` must be a flat list of tensors (B, U), those of one layer. "
                f"Received: nested lists, of shapes {states_shape}"
            )
        kinds = self._kinds(len(states_shape))
        available, *others = (
            sum(shape[-1] for shape in states_shape[i::kinds]) for i in range(kinds)
        )
        if others not in ([], [available]):
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
        kinds = self._kinds(len(states))
        by_kind = [ops.concatenate(states[i::kinds], axis=-1) for i in range(kinds)]
        sources = [by_kind[min(i, kinds - 1)] for cell in self.sizes for i, _ in enumerate(cell)]
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
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "kind": self.kind,
            "states_per_direction": self.states_per_direction,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bridge:
        """Create a layer from the result of `get_config`.

        Files from before `states_per_direction` were computed as if it was 2.
        """
        return super().from_config({"states_per_direction": 2, **config})

    def _kinds(self, states: int) -> int:
        """The number of kinds of state (h; h and c) in this many final states.

        Raises:
            ValueError: If they are not those of one or two directions, or if that leaves two
                readings and the result depends on them.
        """
        told = self.states_per_direction
        readings = [n for n in (2, 1) if told in (n, None) and states in (n, 2 * n)]
        if not readings:
            each = "1 or 2" if told is None else told
            raise ValueError(
                f"Argument `states` must hold {each} final states per direction, for one or both "
                f"directions. Received: {states} states, states_per_direction={told}"
            )
        if len(readings) > 1 and self.kind in ("dense", "copy"):
            raise ValueError(
                f"Argument `states_per_direction` must say what {states} states are: 2 for h and c "
                "of one direction (LSTM), or 1 for h of both directions (Bidirectional GRU or "
                "SimpleRNN). Received: states_per_direction=None"
            )
        return readings[0]


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
