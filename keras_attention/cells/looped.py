"""Cells in a loop: whatever does not depend on the previous step is computed outside the loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_attention.backend.linear import linear
from keras_attention.backend.stateless import constants_of, dropout_masks, dropped_by, given
from keras_attention.cells.layer_norm import LayerNormLSTMCell
from keras_attention.cells.padding_aware import PaddingAwareLSTMCell
from keras_attention.cells.protocol import training_option
from keras_attention.cells.residual import ResidualCell
from keras_attention.cells.stack import CellStep, joined
from keras_attention.dtypes import at_least_float32
from keras_attention.types import Nest, Tensor


class LoopedCell:
    """Any Keras cell, with its weights among the constants of a loop.

    The backward pass runs the steps again after the layer's call has returned. The training flag
    and the dropout masks are therefore fixed when this object is created.

    Args:
        cell: The cell, with its dropout masks drawn.
        constants: Its weights; empty if the cell reads them itself.
        training: Whether the cell runs in training mode.

    Attributes:
        constants: The weights that `step` needs.
    """

    def __init__(self, cell: Any, constants: Nest, training: bool | None) -> None:
        self.cell, self.constants = cell, constants
        self.options = training_option(cell, training)
        self.masks = dropout_masks(cell)

    def project(self, inputs: Tensor) -> Tensor:
        """Project inputs known before the loop (T, B, D) to what `step` reads, (T, B, .)."""
        return inputs

    @property
    def projecting(self) -> Sequence[Tensor]:
        """The weights that `project_one` needs."""
        return ()

    def project_one(self, inputs: Tensor, projecting: Sequence[Tensor]) -> Tensor:
        """Like `project`, inside the loop, for inputs (B, D) that become known at this step."""
        return inputs

    def step(
        self, inputs: Sequence[Tensor], states: Sequence[Tensor], constants: Nest
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one step.

        Args:
            inputs: The cell's inputs, (B, .) each. If some of them are known before the loop, this
                step's result of `project` comes first.
            states: The cell's states.
            constants: The attribute `constants`, as the loop passes it to each step.

        Returns:
            The output (B, U) and the next states.
        """
        x = ops.concatenate(inputs, axis=-1)
        with given([self.cell], [constants]), dropped_by(self.cell, self.masks):
            output, after = self.cell(x, list(states), **self.options)
        return output, list(after) if isinstance(after, list | tuple) else [after]


class LoopedResidualCell(LoopedCell):
    """A residual connection around a looped cell, which itself runs as it would without one.

    Args:
        cell: The residual cell.
        inner: The looped form of the cell inside it.
    """

    def __init__(self, cell: ResidualCell, inner: LoopedCell) -> None:
        self.cell, self.inner, self.constants = cell, inner, inner.constants

    def step(
        self, inputs: Sequence[Tensor], states: Sequence[Tensor], constants: Nest
    ) -> tuple[Tensor, list[Tensor]]:
        dtype = self.inner.cell.compute_dtype
        x = ops.cast(ops.concatenate(inputs, axis=-1), dtype)
        output, after = self.inner.step([x], _cast(states, dtype), constants)
        return self.cell.add(x, output), after


class _GatedCell(LoopedCell):
    """A Keras cell whose gates are linear in its inputs and state.

    Args:
        cell: The cell, with its dropout masks drawn.
        known: How many of the input features are known before the loop. They come first; 0 if
            there are none.
    """

    def __init__(self, cell: Any, known: int) -> None:
        super().__init__(cell, (), None)
        self.known = known
        weights = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if cell.use_bias else [])]
        kernel, self.recurrent, *self.bias = _cast(weights, cell.compute_dtype)
        self.kernel, self.unknown = ops.split(kernel, [known], axis=0)
        self.mask = self.masks["_dropout_mask"]

    def project(self, inputs: Tensor) -> Tensor:
        if self.mask is not None:
            inputs = inputs * self.mask[:, : self.known]
        return _plus(ops.matmul(inputs, self.kernel), self.bias)

    @property
    def projecting(self) -> Sequence[Tensor]:
        return [self.kernel, *self.bias]

    def project_one(self, inputs: Tensor, projecting: Sequence[Tensor]) -> Tensor:
        kernel, *bias = projecting
        if self.mask is not None:
            inputs = inputs * self.mask[:, : self.known]
        return _plus(linear(inputs, kernel), bias)

    def _parted(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Split inputs into the projected one, if any, and the others, with dropout applied."""
        count = int(self.known > 0)
        projected, others = list(inputs[:count]), list(inputs[count:])
        if self.mask is not None and others:
            others = [ops.concatenate(others, axis=-1) * self.mask[:, self.known :]]
        return projected, others


class LoopedLSTMCell(_GatedCell):
    """Keras's LSTM cell, with all gates computed in one product with `[K; R]`.

    Formula: `i, f, g, o = [x_t; h_{t-1}] [K; R] + b`, `c_t = s(f) c_{t-1} + s(i) tanh(g)`,
    `h_t = s(o) tanh(c_t)`.
    """

    def __init__(self, cell: Any, known: int) -> None:
        super().__init__(cell, known)
        joined = ops.concatenate([self.unknown, self.recurrent], axis=0)
        self.constants = [joined] if known else [joined, *self.bias]

    def step(
        self, inputs: Sequence[Tensor], states: Sequence[Tensor], constants: Nest
    ) -> tuple[Tensor, list[Tensor]]:
        h, c = states[0], at_least_float32(states[1])
        kernel, *bias = constants
        projected, others = self._parted(inputs)
        gates = _linear(joined([*others, h]), kernel)
        gates = _plus(gates, [*projected, *bias])
        i, f, g, o = ops.split(gates, 4, axis=-1)
        gate, squash = self.cell.recurrent_activation, self.cell.activation
        c = gate(f) * c + gate(i) * squash(g)
        h = ops.cast(gate(o) * squash(c), self.cell.compute_dtype)
        return h, [h, c]


class LoopedGRUCell(_GatedCell):
    """Keras's GRU cell with `reset_after=True`, with all gates computed together.

    Formula: `z, r, g = x_t K + b` and `z', r', g' = h_{t-1} R + b'`, `z_t = s(z + z')`,
    `h_t = z_t h_{t-1} + (1 - z_t) tanh(g + s(r + r') g')`.
    """

    def __init__(self, cell: Any, known: int) -> None:
        super().__init__(cell, known)
        recurrent_bias = [bias[1] for bias in self.bias]
        self.bias = [bias[0] for bias in self.bias]
        self.constants = {
            "kernel": [self.unknown] if self.unknown.shape[0] else [],
            "bias": [] if known else self.bias,
            "recurrent": self.recurrent,
            "recurrent_bias": recurrent_bias,
        }

    def step(
        self, inputs: Sequence[Tensor], states: Sequence[Tensor], constants: Nest
    ) -> tuple[Tensor, list[Tensor]]:
        (h,) = states
        projected, others = self._parted(inputs)
        read = [at_least_float32(x) for x in projected]
        for kernel in constants["kernel"]:
            unknown = _linear(ops.concatenate(others, axis=-1), kernel)
            read.append(_plus(unknown, constants["bias"]))
        update, reset, candidate = ops.split(sum(read[1:], read[0]), 3, axis=-1)
        recurrent = _plus(_linear(h, constants["recurrent"]), constants["recurrent_bias"])
        own_update, own_reset, own_candidate = ops.split(recurrent, 3, axis=-1)
        gate, squash = self.cell.recurrent_activation, self.cell.activation
        z = gate(update + own_update)
        g = squash(candidate + gate(reset + own_reset) * own_candidate)
        h = z * at_least_float32(h) + (1.0 - z) * g
        h = ops.cast(h, self.cell.compute_dtype)
        return h, [h]


class LoopedStack:
    """A stack of cells in a loop.

    Args:
        cells: The cells, bottom to top.
        known: How many input features of the first cell are known before the loop.
        pure: Whether the weights can be constants of the loop, because no call changes them.
        training: Whether the cells run in training mode.

    Attributes:
        constants: The weights that `steps` needs.
    """

    def __init__(self, cells: Sequence[Any], known: int, pure: bool, training: bool | None) -> None:
        self.cells = [
            _looped(cell, 0 if i else known, pure, training) for i, cell in enumerate(cells)
        ]
        self.constants = [cell.constants for cell in self.cells]

    def project(self, inputs: Tensor) -> Tensor:
        """Project inputs known before the loop (T, B, D) to what the first cell reads."""
        first = self.cells[0]
        return first.project(ops.cast(inputs, first.cell.compute_dtype))

    @property
    def projecting(self) -> Sequence[Tensor]:
        """The weights that `project_one` needs."""
        return self.cells[0].projecting

    def project_one(self, inputs: Tensor, projecting: Sequence[Tensor]) -> Tensor:
        """Project one step's inputs (B, D) to what the first cell reads, inside the loop."""
        first = self.cells[0]
        return first.project_one(ops.cast(inputs, first.cell.compute_dtype), projecting)

    def steps(self, constants: Sequence[Nest]) -> list[CellStep]:
        """Return one step function per cell; the first cell's inputs start with the projected one.

        Args:
            constants: The attribute `constants`, as the loop passes it to each step.
        """
        pairs = zip(self.cells, constants, strict=True)
        return [partial(_step, cell, own_constants) for cell, own_constants in pairs]


def _step(
    cell: LoopedCell, constants: Nest, inputs: Sequence[Tensor], states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    dtype = cell.cell.compute_dtype
    return cell.step(_cast(inputs, dtype), _cast(states, dtype), constants)


def is_gated(cell: Any) -> bool:
    """Whether all gates of a Keras cell are computed in one product.

    With recurrent dropout they are not: it falls on the state alone. Keras 3.15 says so by another
    `implementation`, Keras 3.7 does not.
    """
    if getattr(cell, "implementation", 1) != 2 or cell.recurrent_dropout:
        return False
    is_lstm = type(cell) in (keras.layers.LSTMCell, PaddingAwareLSTMCell)
    return is_lstm or (type(cell) is keras.layers.GRUCell and cell.reset_after)


def _looped(cell: Any, known: int, pure: bool, training: bool | None) -> LoopedCell:
    if isinstance(cell, ResidualCell):
        return LoopedResidualCell(cell, _looped(cell.cell, 0, pure, training))
    if is_gated(cell):
        is_lstm = isinstance(cell, keras.layers.LSTMCell)
        return LoopedLSTMCell(cell, known) if is_lstm else LoopedGRUCell(cell, known)
    dtype = cell.compute_dtype if type(cell) is LayerNormLSTMCell else None
    return LoopedCell(cell, constants_of(cell, dtype) if pure else [], training)


def dense(layer: Any, inputs: Tensor) -> Tensor:
    """Call a layer inside a loop; a plain Keras `Dense` (no LoRA or the like) uses `linear`.

    An activity regularizer adds nothing here: the caller applies it after the loop.
    """
    is_dense = type(layer) is keras.layers.Dense
    if not is_dense or layer.lora_enabled or layer.quantization_mode:
        with _unregularized(layer):
            return layer(inputs)
    inputs, kernel = (ops.cast(x, layer.compute_dtype) for x in (inputs, layer.kernel))
    outputs = linear(inputs, kernel)
    if layer.use_bias:
        outputs = outputs + ops.cast(layer.bias, layer.compute_dtype)
    return outputs if layer.activation is None else layer.activation(outputs)


@contextmanager
def _unregularized(layer: Any) -> Iterator[None]:
    """Make a layer ignore its activity regularizer."""
    regularizer = getattr(layer, "activity_regularizer", None)
    if regularizer is None:
        yield
        return
    layer.activity_regularizer = None
    try:
        yield
    finally:
        layer.activity_regularizer = regularizer


def _cast(tensors: Sequence[Tensor], dtype: str) -> list[Tensor]:
    return [ops.cast(tensor, dtype) for tensor in tensors]


def _linear(x: Tensor, kernel: Tensor) -> Tensor:
    """The product in the dtype of its factors, then in at least float32 for what follows."""
    return at_least_float32(linear(x, kernel))


def _plus(x: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The sum, in the dtype of x."""
    return sum((ops.cast(other, x.dtype) for other in others), x)
