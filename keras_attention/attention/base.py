"""The base of all attention layers: how they are called, whatever they compute."""

from __future__ import annotations

from collections.abc import Sequence
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

    Of a `MultiSource` every field is a tuple, with one for each source.

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
    """Base layer of everything that attends: the calls, in terms of `prepare` and `step`.

    A subclass says what is done once for a memory (`build`, `prepare`), what at each step (`step`,
    and `attend` for all steps at once where none waits for the one before), and of which shapes its
    state is.
    """

    @property
    def is_stateful(self) -> bool:
        """Whether a step depends on those before, so that steps go one after the other."""
        return False

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
        memory = self.prepare(value, key, self.both(value_mask, key_mask))
        drawn = self.draw(memory, query.shape[1] or ops.shape(query)[1], training)
        context, weights, _ = self.attend_by_heads(query, memory, self.initial_state(memory), drawn)
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

    def state_shapes(self, batch: Any, length: Any) -> list[tuple[Any, Any]]:
        """The shapes of the state's tensors, (B, S) or (B, 1)."""
        return []

    def initial_state(self, memory: Memory) -> State:
        """The state before the first step; empty where each step stands alone.

        It is of float32 under mixed precision too: sums of many weights are kept in it.
        """
        batch, length = ops.shape(memory.values)[:2]
        return self.first_state(batch, length, self.state_dtype)

    @property
    def state_count(self) -> int:
        """How many tensors the state has."""
        return len(self.state_shapes(None, None))

    def state_spec(self, value: Tensor) -> list[Tensor]:
        """Symbolic tensors like those of the state."""
        shapes = self.state_shapes(*value.shape[:2])
        return [keras.KerasTensor(shape, dtype=self.state_dtype) for shape in shapes]

    @property
    def state_dtype(self) -> str:
        """The type of the state."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    def first_state(self, batch: Any, length: Any, dtype: str) -> State:
        """The state before the first step, of the shapes of `state_shapes`."""
        return ()

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once, with one query for each row.

        Args:
            query: (B, D).
            memory: From `prepare`.
            state: From `initial_state` or the step before.
            drawn: What `draw` gave for this step, (B, S) each; None outside training.

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
        drawn: dict[str, Tensor] | None = None,
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

    def attend_by_heads(
        self, query: Tensor, memory: Memory, state: State, drawn: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, State]:
        """As `attend`, but with the weights (B, H, T, S) of each head where there are several."""
        return self.attend(query, memory, state, drawn)

    def draw(self, memory: Memory, steps: int | Tensor, training: bool | None) -> dict[str, Tensor]:
        """What is random in training, by name, (B, T, S) each; nothing outside training.

        Drawn for all steps at once, outside of any loop, so that the loop itself is pure.
        """
        return {}

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
        size = self.context_size(shape_of(value))
        context = keras.KerasTensor((batch, *steps, size), dtype=self.compute_dtype)
        if not return_attention_scores:
            return context
        shape = (batch, *self.heads_shape, *steps, self.weights_length(value))
        return context, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def context_size(self, value_shape: Any, name: str = "value") -> Any:
        """Features of the context for values (B, S, M), which errors call `name`."""
        _check_one(name, value_shape)
        return value_shape[-1]

    def weights_length(self, value: Tensor) -> int | None:
        """S, as far as it is known."""
        return value.shape[1]

    def check_memory(
        self,
        value: Tensor,
        key: Tensor | None = None,
        name: str = "value",
        **masks: Tensor | None,
    ) -> None:
        """Raise `ValueError` where values, called `name`, keys and masks do not fit together."""
        _check_one(name, shape_of(value))
        check_rank(name, value.shape, "(batch, length, features)")
        if key is not None:
            check_rank("key", key.shape, "(batch, length, features)")
            check_shape("key", key.shape[:2], name, value.shape[:2])
        for of_mask, mask in masks.items():
            if mask is not None:
                check_rank(of_mask, mask.shape, "(batch, length)")
                check_shape(of_mask, mask.shape, name, value.shape[:2])

    def both(self, first: Tensor | None, second: Tensor | None) -> Tensor | None:
        """The mask that both masks say."""
        if first is None or second is None:
            return second if first is None else first
        return ops.logical_and(ops.cast(first, "bool"), ops.cast(second, "bool"))

    heads_shape: tuple[int, ...] = ()
    """The axis of the heads in the weights that a call returns: (H,) where there are several."""

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
        self.check_memory(value, key, value_mask=value_mask, key_mask=key_mask)
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
    """The shape of a tensor; of several a list."""
    if isinstance(value, list | tuple):
        return [shape_of(x) for x in value]
    return tuple(value.shape)


def _check_one(name: str, shape: Any) -> None:
    if any(isinstance(size, list | tuple) for size in shape):
        raise ValueError(
            f"Argument `{name}` must be one tensor: for several there is `MultiSource`. "
            f"Received: {len(shape)} tensors"
        )


def draw_each(
    layers: Sequence[AttentionLayer],
    memories: Sequence[Memory],
    steps: int | Tensor,
    training: bool | None,
) -> dict[str, Tensor]:
    """What each layer draws, with its number before the name."""
    return {
        f"{i}/{name}": x
        for i, (layer, memory) in enumerate(zip(layers, memories, strict=True))
        for name, x in layer.draw(memory, steps, training).items()
    }


def drawn_of(drawn: dict[str, Tensor] | None, i: int) -> dict[str, Tensor]:
    """What `draw_each` gave for layer i."""
    own = f"{i}/"
    return {k.removeprefix(own): x for k, x in (drawn or {}).items() if k.startswith(own)}
