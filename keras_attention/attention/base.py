"""The base class of all attention layers: their common interface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.alignments.base import State
from keras_attention.attention.report import report
from keras_attention.backend import has_own_gradient, trained_scan
from keras_attention.backend.stateless import constants_of, given
from keras_attention.checks import check_mask, check_rank, check_shape, checked_mask
from keras_attention.masking import step_mask, unmasked
from keras_attention.parts import Composite
from keras_attention.types import Nest, Shape, Tensor


class Memory(NamedTuple):
    """What a query attends to, computed once per batch by `AttentionLayer.prepare`.

    In the memory of a `MultiSource`, every field is a tuple with one item per source.

    Attributes:
        values: (B, S, M), averaged into the context.
        keys: (B, S, U), projected for scoring.
        mask: Boolean (B, S), True where a position may be attended to; None allows every position.
        past: Additional tensors for the layer's `past`, (B, S, ...) each.
        alignment: Additional tensors for the alignment, (B, S, ...) each.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.BahdanauAttention(units=8)
        >>> attention.build((None, 6), (None, 7, 4))
        >>> memory = attention.prepare(np.ones((2, 7, 4)))
        >>> tuple(memory.values.shape), tuple(memory.keys.shape)
        ((2, 7, 4), (2, 7, 8))
    """

    values: Tensor
    keys: Tensor
    mask: Tensor | None
    past: tuple[Tensor, ...] = ()
    alignment: tuple[Tensor, ...] = ()


def carried_mask(x: Tensor) -> Tensor | None:
    """The mask (B, S) that Keras attached to a tensor (B, S, ...), for example of an encoder.

    Keras passes it to calls by itself, but not to other methods.
    """
    mask = getattr(x, "_keras_mask", None)
    return None if mask is None else step_mask(mask)


class AttentionLayer(Composite):
    """Base layer of all attention layers: the interface that decoders rely on.

    A decoder attends once per step. `prepare` computes the `Memory`, once per batch;
    `initial_state` returns the state before the first step; each `step` maps a query, the memory
    and the state to a context, weights and the next state. `attend` takes all steps at once, and
    `call` runs `prepare`, then `attend`.

    A subclass implements

    - `build`, which creates the weights;
    - `prepare` and `step`;
    - `state_count` and `initial_state`, if a step depends on earlier ones;
    - `attend`, if all steps can be computed without a loop;
    - `draw`, if training is random: the random numbers are an argument of `step`, which is pure;
    - `memory_shapes`, if it attends to several memories.

    It inherits `call`, with its checks and symbolic results. The layer stores nothing about a
    batch: memory, state and random numbers are arguments and results.

    Example:
        Two steps, as a decoder takes them:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.LuongAttention("dot")
        >>> value = np.array([[[2.0, 0.0], [0.0, 2.0]]])
        >>> attention.build((None, 2), value.shape)
        >>> memory = attention.prepare(value)
        >>> state = attention.initial_state(memory)
        >>> for query in ([[9.0, 0.0]], [[0.0, 9.0]]):
        ...     context, weights, state = attention.step(query, memory, state)
        ...     print(weights.numpy().round(2))
        [[1. 0.]]
        [[0. 1.]]
    """

    _heads_shape: tuple[int, ...] = ()
    """Axis of the heads in the weights that `call` returns: (H,) if there are several heads."""

    @property
    def state_count(self) -> int:
        """Number of tensors in the state; 0 if no step depends on earlier ones."""
        return 0

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Create the weights for queries (B, T, D) or (B, D) and values (B, S, M)."""
        raise NotImplementedError

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend with every query; see the class for arguments and results."""
        self._check_inputs(query, value, key, value_mask, key_mask, query_mask)
        query = unmasked(query, query_mask)
        one_query = len(query.shape) == 2
        if one_query:
            query = ops.expand_dims(query, 1)
        memory = self.prepare(value, key, _both(value_mask, key_mask))
        drawn = self.draw(memory, query.shape[1] or ops.shape(query)[1], training)
        state = self.initial_state(memory)
        context, weights, _ = self._attend_by_heads(query, memory, state, drawn)
        if one_query:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, -2)
        report(self, weights)
        return (context, weights) if return_attention_scores else context

    def prepare(
        self, value: Tensor, key: Tensor | None = None, value_mask: Tensor | None = None
    ) -> Memory:
        """Project the keys, once for all steps.

        Args:
            value: (B, S, M).
            key: (B, S, E); None uses the values.
            value_mask: Boolean (B, S), True where a position may be attended to. Values and keys
                are not read elsewhere; they may be NaN there. None for the mask that Keras
                attached to `value`, if any.

        Returns:
            The memory, as `step` takes it.

        Raises:
            ValueError: If the layer is not built, or the shapes do not match.
        """
        raise NotImplementedError

    def initial_state(self, memory: Memory) -> State:
        """Return the state before the first step: `state_count` tensors, each (B, S) or (B, 1).

        It is float32 even under mixed precision, because it accumulates many weights.
        """
        return ()

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once, with a single query per row.

        Args:
            query: (B, D).
            memory: From `prepare`.
            state: From `initial_state` or the previous step.
            drawn: The result of `draw` for this step, (B, S) each; None outside training.

        Returns:
            Context (B, M), weights (B, S), next state.

        Raises:
            ValueError: If the layer is not built, or the shapes do not match.
        """
        raise NotImplementedError

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend with queries (B, T, D) and random numbers (B, T, S) each; see `step`.

        Returns:
            Context (B, T, M), weights (B, T, S), state after the last step.
        """
        constants = {
            "memory": memory._replace(mask=()),
            "layer": constants_of(self) if has_own_gradient() else [],
        }

        def one_step(state: Nest, x: Nest, constants: Nest) -> tuple[Nest, Nest]:
            with given([self], [constants["layer"]]):
                own = constants["memory"]._replace(mask=memory.mask)
                context, weights, after = self.step(x["query"], own, state, x["drawn"])
            return after, (context, weights)

        xs = {"query": self._floating(query), "drawn": drawn or {}}
        xs = keras.tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), xs)
        after, results = trained_scan(one_step, state, xs, constants)
        context, weights = (ops.swapaxes(y, 0, 1) for y in results)
        return context, weights, after

    def draw(self, memory: Memory, steps: int | Tensor, training: bool | None) -> Nest:
        """Draw random numbers for training, a nest of tensors (B, T, S), empty outside training.

        One call draws for all steps, outside of any loop, so that the loop stays pure.
        """
        return {}

    def memory_shapes(self, **shapes: Any) -> list[tuple[Any, ...]]:
        """Regroup the shapes of per-memory arguments into one tuple per memory.

        Args:
            **shapes: Shape of each argument by its name; a list of shapes for several memories, or
                None.

        Raises:
            ValueError: If the number of memories is wrong. A layer has one memory unless a subclass
                overrides this method.
        """
        for name, shape in shapes.items():
            if any(isinstance(size, list | tuple) for size in shape or ()):
                raise ValueError(
                    f"Argument `{name}` must be one tensor; `MultiSource` takes "
                    f"several. Received: {len(shape)} tensors"
                )
        return [tuple(shapes.values())]

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Return the symbolic context, with the query's shape and the value's features."""
        self._check_inputs(query, value, key, value_mask, key_mask, query_mask)
        batch, *steps = query.shape[:-1]
        size = context_size(self, shape_of(value))
        context = keras.KerasTensor((batch, *steps, size), dtype=self.compute_dtype)
        if not return_attention_scores:
            return context
        shape = (batch, *self._heads_shape, *steps, memory_length(self, value))
        return context, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def _attend_by_heads(
        self, query: Tensor, memory: Memory, state: State, drawn: Nest
    ) -> tuple[Tensor, Tensor, State]:
        """As `attend`, but with the weights (B, H, T, S) of each head if there are several."""
        return self.attend(query, memory, state, drawn)

    def _check_inputs(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None,
        value_mask: Tensor | None,
        key_mask: Tensor | None,
        query_mask: Tensor | None,
    ) -> None:
        axes = "(batch, features)" if len(query.shape) == 2 else "(batch, length, features)"
        check_rank("query", query.shape, axes)
        if query_mask is not None:
            check_mask("query_mask", query_mask)
            check_shape("query_mask", query_mask.shape, "query", query.shape[:-1])
        check_values(self, value, key, value_mask=value_mask, key_mask=key_mask)
        for one in keras.tree.flatten(value):
            check_shape("query", query.shape[:1], "value", one.shape[:1])

    def _floating(self, x: Tensor) -> Tensor:
        return ops.cast(x, self.compute_dtype)

    def _read(
        self, value: Tensor, key: Tensor | None, value_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Check values and keys, and return them in the compute dtype, zero where masked."""
        given = [self._floating(x) for x in (value, key) if x is not None]
        check_values(self, *given, value_mask=value_mask)
        value, *keys = (unmasked(x, value_mask) for x in given)
        return value, keys[0] if keys else value

    def _check_state(self, state: Sequence[Tensor]) -> None:
        if len(state) != self.state_count:
            raise ValueError(
                f"Argument `state` must hold the {self.state_count} tensors that `initial_state` "
                f"returns. Received: {len(state)} tensors"
            )

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"Layer `{self.name}` has no weights yet: call the layer once, or call "
                "`build(query_shape, value_shape)` first."
            )


def shape_of(value: Any) -> Any:
    """The shape of a tensor, a list of shapes for several, or None for None."""
    if isinstance(value, list | tuple):
        return [shape_of(x) for x in value]
    return None if value is None else tuple(value.shape)


def context_size(attention: AttentionLayer, value_shape: Any, name: str = "value") -> Any:
    """Context features for values (B, S, M), called `name` in errors; None if unknown."""
    return _sum(shape[-1] for (shape,) in attention.memory_shapes(**{name: value_shape}))


def memory_length(attention: AttentionLayer, value: Any) -> int | None:
    """S, the number of positions in all memories together; None if unknown."""
    return _sum(shape[1] for (shape,) in attention.memory_shapes(value=shape_of(value)))


def state_spec(attention: AttentionLayer, value: Any) -> list[Tensor]:
    """Symbolic tensors of the state for values (B, S, M)."""
    if not attention.state_count:  # saves tracing `prepare`
        return []
    return list(_InitialState(attention).compute_output_spec(value))


def check_values(
    attention: AttentionLayer, value: Any, key: Any = None, name: str = "value", **masks: Any
) -> None:
    """Raise `ValueError` unless values, keys and masks match; `name` is that of the values."""
    for of_mask, mask in masks.items():
        for one in keras.tree.flatten(mask):
            if one is not None:
                check_mask(of_mask, one)
    arguments = {name: value, "key": key, **masks}
    shapes = {of: shape_of(x) for of, x in arguments.items()}
    for value_shape, key_shape, *mask_shapes in attention.memory_shapes(**shapes):
        check_rank(name, value_shape, "(batch, length, features)")
        if key_shape is not None:
            check_rank("key", key_shape, "(batch, length, features)")
            check_shape("key", key_shape[:2], name, value_shape[:2])
        for of_mask, mask_shape in zip(masks, mask_shapes, strict=True):
            if mask_shape is not None:
                check_rank(of_mask, mask_shape, "(batch, length)")
                check_shape(of_mask, mask_shape, name, value_shape[:2])


def check_prepared(memory: Any) -> None:
    """Raise `TypeError` unless a memory comes from `prepare`."""
    if not isinstance(memory, Memory):
        raise TypeError(
            "Argument `memory` must come from `prepare`, which projects the keys and computes what "
            f"all steps share. Received: memory={type(memory).__name__}"
        )


def split_state(layers: Sequence[AttentionLayer], state: Sequence[Tensor]) -> list[State]:
    """Split the concatenated states of several layers into one state per layer."""
    remaining = iter(state)
    return [tuple(islice(remaining, layer.state_count)) for layer in layers]


class _InitialState(keras.Operation):
    """The initial state as an operation on values, which may be symbolic."""

    def __init__(self, attention: AttentionLayer) -> None:
        super().__init__()
        self.attention = attention

    def call(self, value: Any) -> State:
        return self.attention.initial_state(self.attention.prepare(value))


def _both(first: Any, second: Any) -> Any:
    """Combine two masks with a logical and; lists, for several memories, item by item."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, list | tuple):
        return [_both(*masks) for masks in zip(first, second, strict=True)]
    return ops.logical_and(checked_mask(first), checked_mask(second))


def _sum(sizes: Iterable[Any]) -> Any:
    """The sum of sizes, or None if one of them is unknown."""
    sizes = list(sizes)
    return None if None in sizes else sum(sizes)
