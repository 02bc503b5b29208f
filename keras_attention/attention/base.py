"""The base of all attention layers: how they are called, whatever they compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.alignments.base import State
from keras_attention.backend import has_own_gradient, trained_scan
from keras_attention.backend.stateless import constants_of, given
from keras_attention.checks import check_rank, check_shape
from keras_attention.types import Nest, Shape, Tensor


class Memory(NamedTuple):
    """What is attended to, made once for a batch by `Attention.prepare`.

    Of a `MultiSourceAttention` every field is a tuple, with one for each source.

    Attributes:
        values: (B, S, M), what the weighted sum is taken of.
        keys: (B, S, U), projected for scoring.
        mask: Boolean (B, S), True where a place may be attended, or None for everywhere.
        past: What the memory of the past needs besides, (B, S, ...) each.
        alignment: What the alignment needs besides, (B, S, ...) each.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor | None
    past: tuple[Tensor, ...] = ()
    alignment: tuple[Tensor, ...] = ()


class AttentionLayer(keras.layers.Layer):
    """Base layer of everything that attends: the contract between attention and its users.

    A decoder attends once a step. `prepare` makes a `Memory` of what is attended to, once for a
    batch; `initial_state` gives the state before the first step; each `step` takes a query, the
    memory and a state to a context, weights and the next state. `attend` is all steps at once, and
    a `call` is `prepare` followed by `attend`.

    A subclass gives

    - `build`: the weights;
    - `prepare` and `step`;
    - `state_count` and `initial_state`, if a step depends on those before;
    - `attend`, if all steps can be taken at once without a loop;
    - `draw`, if it is random in training: what is drawn is an argument of `step`, which is pure;
    - `memory_shapes`, if it attends to several memories.

    It gets the call, with its checks and its symbolic results. Nothing of a batch is kept on the
    layer: memory, state and random numbers are arguments and results.
    """

    _heads_shape: tuple[int, ...] = ()
    """The axis of the heads in the weights that a call returns: (H,) where there are several."""

    @property
    def state_count(self) -> int:
        """How many tensors the state has; 0 where no step depends on those before."""
        return 0

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Make the weights for queries (B, T, D) or (B, D) and values (B, S, M)."""
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
        """Attend with each query; see the class for arguments and results."""
        self._check_inputs(query, value, key, value_mask, key_mask)
        one_query = len(query.shape) == 2
        if one_query:
            query = ops.expand_dims(query, 1)
        memory = self.prepare(value, key, _both(value_mask, key_mask))
        drawn = self.draw(memory, query.shape[1] or ops.shape(query)[1], training)
        state = self.initial_state(memory)
        context, weights, _ = self._attend_by_heads(query, memory, state, drawn)
        if one_query:
            context, weights = ops.squeeze(context, 1), ops.squeeze(weights, -2)
        return (context, weights) if return_attention_scores else context

    def prepare(
        self, value: Tensor, key: Tensor | None = None, value_mask: Tensor | None = None
    ) -> Memory:
        """Project the keys, once for all the steps that will attend to them.

        Args:
            value: (B, S, M).
            key: (B, S, E), or None for the values.
            value_mask: Boolean (B, S), True where a place may be attended, or None.

        Returns:
            The memory that `step` takes.

        Raises:
            ValueError: If the layer is not built, or shapes do not fit together.
        """
        raise NotImplementedError

    def initial_state(self, memory: Memory) -> State:
        """The state before the first step: `state_count` tensors, each (B, S) or (B, 1).

        It is of float32 under mixed precision too: sums of many weights are kept in it.
        """
        return ()

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once, with one query for each row.

        Args:
            query: (B, D).
            memory: From `prepare`.
            state: From `initial_state` or the step before.
            drawn: What `draw` gave, of this step, (B, S) each; None outside training.

        Returns:
            Context (B, M), weights (B, S), next state.

        Raises:
            ValueError: If the layer is not built, or shapes do not fit together.
        """
        raise NotImplementedError

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend with queries (B, T, D), drawn (B, T, S) each, see `step`.

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
        """What is random in training, a nest of tensors (B, T, S); nothing outside training.

        Drawn for all steps at once, outside of any loop, so that the loop itself is pure.
        """
        return {}

    def memory_shapes(self, **shapes: Any) -> list[tuple[Any, ...]]:
        """The shapes of arguments that are there for each memory, as one tuple for each memory.

        Args:
            **shapes: By the name of the argument: its shape, for several memories a list, or None.

        Raises:
            ValueError: If there are not as many memories as are attended to, which is one, unless a
                subclass says otherwise.
        """
        for name, shape in shapes.items():
            if any(isinstance(size, list | tuple) for size in shape or ()):
                raise ValueError(
                    f"Argument `{name}` must be one tensor: for several there is "
                    f"`MultiSourceAttention`. Received: {len(shape)} tensors"
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
        """Symbolic results: context of the query's shape with the value's features."""
        self._check_inputs(query, value, key, value_mask, key_mask)
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
        """As `attend`, but with the weights (B, H, T, S) of each head where there are several."""
        return self.attend(query, memory, state, drawn)

    def _check_inputs(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None,
        value_mask: Tensor | None,
        key_mask: Tensor | None,
    ) -> None:
        axes = "(batch, features)" if len(query.shape) == 2 else "(batch, length, features)"
        check_rank("query", query.shape, axes)
        check_values(self, value, key, value_mask=value_mask, key_mask=key_mask)
        for one in keras.tree.flatten(value):
            check_shape("query", query.shape[:1], "value", one.shape[:1])

    def _floating(self, x: Tensor) -> Tensor:
        return ops.cast(x, self.compute_dtype)

    def _check_state(self, state: Sequence[Tensor]) -> None:
        if len(state) != self.state_count:
            raise ValueError(
                f"Argument `state` must hold the {self.state_count} tensors that `initial_state` "
                f"gives. Received: {len(state)} tensors"
            )

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"Layer `{self.name}` has no weights yet: call it once, or call "
                "`build(query_shape, value_shape)`, before `prepare` and `step`."
            )


def shape_of(value: Any) -> Any:
    """The shape of a tensor; of several a list; None of None."""
    if isinstance(value, list | tuple):
        return [shape_of(x) for x in value]
    return None if value is None else tuple(value.shape)


def context_size(attention: AttentionLayer, value_shape: Any, name: str = "value") -> Any:
    """Features of the context for values (B, S, M), which errors call `name`; None if unknown."""
    return _sum(shape[-1] for (shape,) in attention.memory_shapes(**{name: value_shape}))


def memory_length(attention: AttentionLayer, value: Any) -> int | None:
    """S, the places of values (B, S, M) that have a weight, of all memories; None if unknown."""
    return _sum(shape[1] for (shape,) in attention.memory_shapes(value=shape_of(value)))


def state_spec(attention: AttentionLayer, value: Any) -> list[Tensor]:
    """Symbolic tensors like those of the state for values (B, S, M)."""
    if not attention.state_count:  # spares tracing `prepare`
        return []
    return list(_InitialState(attention).compute_output_spec(value))


def check_values(
    attention: AttentionLayer, value: Any, key: Any = None, name: str = "value", **masks: Any
) -> None:
    """Raise `ValueError` where values, called `name`, keys and masks do not fit together."""
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


def split_state(layers: Sequence[AttentionLayer], state: Sequence[Tensor]) -> list[State]:
    """A state that has those of several layers one after the other, layer by layer."""
    remaining = iter(state)
    return [tuple(islice(remaining, layer.state_count)) for layer in layers]


class _InitialState(keras.Operation):
    """An attention's first state as an operation of the values, which can be symbolic."""

    def __init__(self, attention: AttentionLayer) -> None:
        super().__init__()
        self.attention = attention

    def call(self, value: Any) -> State:
        return self.attention.initial_state(self.attention.prepare(value))


def _both(first: Any, second: Any) -> Any:
    """The mask that both masks say; of several memories a list of them."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, list | tuple):
        return [_both(*masks) for masks in zip(first, second, strict=True)]
    return ops.logical_and(ops.cast(first, "bool"), ops.cast(second, "bool"))


def _sum(sizes: Iterable[Any]) -> Any:
    """The sum of sizes; None if one of them is not known."""
    sizes = list(sizes)
    return None if None in sizes else sum(sizes)
