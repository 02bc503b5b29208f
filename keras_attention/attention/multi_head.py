"""Multi-head attention (Vaswani et al. 2017) with any score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import State
from keras_attention.attention.base import (
    AttentionLayer,
    Memory,
    carried_mask,
    check_prepared,
    context_size,
    split_state,
)
from keras_attention.attention.scored import Attention
from keras_attention.backend.linear import linear
from keras_attention.checks import check_positive
from keras_attention.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHead(AttentionLayer):
    """Several attention heads in parallel, each with its own weights and projection of the values.

    Formula: `context = [c_1; ...; c_H] W_o`, where head h has its own score and attends to its own
    projection of the values: `c_h = sum_j weights_hj (value_j W_v,h)`. With a `head_size`, its
    query and keys are projected too, `q W_q,h` and `key_j W_k,h`; scores without weights of their
    own, such as the dot product, need this.

    A head can use any score, alignment and `past`.

    Args:
        attention: An unbuilt attention layer with a score; each head is a copy of it.
        num_heads: H, the number of heads.
        head_size: Size of the query and keys of a head; None passes them to each head unprojected.
        value_size: Size of the values of a head; None uses M / H, rounded up.

    Call arguments:
        The same as for a head. `return_attention_scores` returns the weights of all heads.

    Returns:
        Context (B, T, M) or (B, M), and on request the weights (B, H, T, S) or (B, H, S). In
        decoders, searches and exports, the weights are the mean over the heads.

    Raises:
        TypeError: If `attention` is not an attention layer with a score.
        ValueError: If a size is not positive.

    Attributes:
        heads: The heads, a list.
        query_kernel: All W_q side by side, (D, H * head size), only with a `head_size`.
        key_kernel: All W_k side by side, (E, H * head size), only with a `head_size`.
        value_kernel: All W_v side by side, (M, H * value size).
        output_kernel: W_o, (H * value size, M).

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.attention.MultiHead(ka.BahdanauAttention(units=8), num_heads=3)
        >>> query, value = np.ones((2, 5, 6), "float32"), np.ones((2, 7, 4), "float32")
        >>> context, weights = attention(query, value, return_attention_scores=True)
        >>> tuple(context.shape), tuple(weights.shape)
        ((2, 5, 4), (2, 3, 5, 7))

    Reference: Vaswani et al. 2017, section 3.2.2; with additive scores in a recurrent decoder: Chen
    et al. 2018 (RNMT+).
    """

    def __init__(
        self,
        attention: Attention,
        num_heads: int,
        head_size: int | None = None,
        value_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(attention, Attention):
            raise TypeError(
                "Argument `attention` must be an attention layer with a score, such as "
                f"BahdanauAttention. Received: attention={attention!r}"
            )
        check_positive("num_heads", num_heads)
        for name, size in (("head_size", head_size), ("value_size", value_size)):
            if size is not None:
                check_positive(name, size)
        self.num_heads = num_heads
        self.head_size = head_size
        self.value_size = value_size
        self._like = keras.saving.serialize_keras_object(attention)
        self.heads = [self._head(i) for i in range(num_heads)]
        self._heads_shape = (num_heads,)
        self.supports_masking = True

    def _head(self, i: int) -> Attention:
        """Create a head, with its own name and seed."""
        head = keras.saving.deserialize_keras_object(self._like)
        config = {**head.get_config(), "name": f"head_{i}"}
        if config["seed"] is not None:
            config["seed"] += i
        return type(head).from_config(config)

    @property
    def attention(self) -> Attention:
        """A new attention layer configured like each head."""
        return keras.saving.deserialize_keras_object(self._like)

    @property
    def state_count(self) -> int:
        """Number of tensors in the states of all heads."""
        return sum(head.state_count for head in self.heads)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        """Create the weights of the heads and the projections."""
        query_size, value_size = query_shape[-1], context_size(self, value_shape)
        key_size = (key_shape or value_shape)[-1]
        own = self.value_size or -(-value_size // self.num_heads)

        def kernel(name: str, rows: int, columns: int) -> Any:
            return self.add_weight(name=name, shape=(rows, columns))

        if self.head_size is not None:
            columns = self.num_heads * self.head_size
            self.query_kernel = kernel("query_kernel", query_size, columns)
            self.key_kernel = kernel("key_kernel", key_size, columns)
            query_size = key_size = self.head_size
        self.value_kernel = kernel("value_kernel", value_size, self.num_heads * own)
        self.output_kernel = kernel("output_kernel", self.num_heads * own, value_size)
        for head in self.heads:
            if not head.built:
                head.build((None, None, query_size), (None, None, own), (None, None, key_size))
        self.built = True

    def prepare(
        self, value: Tensor, key: Tensor | None = None, value_mask: Tensor | None = None
    ) -> Memory:
        """Project values and keys for all heads at once; see `AttentionLayer`."""
        self._check_built()
        value_mask = carried_mask(value) if value_mask is None else value_mask
        value, key = self._read(value, key, value_mask)
        values = self._split(ops.matmul(value, ops.cast(self.value_kernel, value.dtype)))
        keys = [key] * self.num_heads
        if self.head_size is not None:
            keys = self._split(ops.matmul(key, ops.cast(self.key_kernel, key.dtype)))
        prepared = [
            head.prepare(own_values, own_keys, value_mask)
            for head, own_values, own_keys in zip(self.heads, values, keys, strict=True)
        ]
        return Memory(
            values=ops.concatenate([memory.values for memory in prepared], axis=-1),
            keys=ops.concatenate([memory.keys for memory in prepared], axis=-1),
            mask=prepared[0].mask,
            past=tuple(x for memory in prepared for x in memory.past),
            alignment=tuple(x for memory in prepared for x in memory.alignment),
        )

    def initial_state(self, memory: Memory) -> State:
        """Return the states of the heads, concatenated."""
        return tuple(x for head in self.heads for x in head.initial_state(memory))

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once; the weights are the mean over the heads; see `AttentionLayer`."""
        self._check_state(state)
        context, weights, state = self._attend("step", query, memory, state, drawn)
        return context, sum(weights) / self.num_heads, state

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend with queries (B, T, D); the weights are the mean over the heads."""
        context, weights, state = self._attend("attend", query, memory, state, drawn)
        return context, sum(weights) / self.num_heads, state

    def _attend_by_heads(
        self, query: Tensor, memory: Memory, state: State, drawn: Nest
    ) -> tuple[Tensor, Tensor, State]:
        """Like `attend`, but return the weights of each head, (B, H, T, S)."""
        context, weights, state = self._attend("attend", query, memory, state, drawn)
        return context, ops.stack(weights, axis=1), state

    def _attend(
        self,
        method: str,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor],
        drawn: Nest | None,
    ) -> tuple[Tensor, list[Tensor], State]:
        """Call `method` of each head; return context, weights per head and next state."""
        self._check_built()
        query = self._floating(query)
        queries = [query] * self.num_heads
        if self.head_size is not None:
            queries = self._split(linear(query, ops.cast(self.query_kernel, query.dtype)))
        memories, states = self._memories(memory), split_state(self.heads, state)
        drawn = drawn or [None] * self.num_heads
        parts = zip(self.heads, queries, memories, states, drawn, strict=True)
        found = [getattr(head, method)(*own) for head, *own in parts]
        contexts, weights, after = zip(*found, strict=True)
        context = ops.concatenate(contexts, axis=-1)
        context = linear(context, ops.cast(self.output_kernel, context.dtype))
        return context, list(weights), tuple(x for own in after for x in own)

    def _memories(self, memory: Memory) -> list[Memory]:
        """Split a memory into one per head."""
        check_prepared(memory)
        fields = (
            self._split(memory.values),
            self._split(memory.keys),
            [memory.mask] * self.num_heads,
            _in_shares(memory.past, self.num_heads),
            _in_shares(memory.alignment, self.num_heads),
        )
        return [Memory(*own) for own in zip(*fields, strict=True)]

    def _split(self, x: Tensor) -> list[Tensor]:
        return list(ops.split(x, self.num_heads, axis=-1))

    def draw(self, memory: Memory, steps: int | Tensor, training: bool | None) -> Nest:
        """Draw random numbers for each head, as a list."""
        return [head.draw(memory, steps, training) for head in self.heads]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "attention": self._like,
            "num_heads": self.num_heads,
            "head_size": self.head_size,
            "value_size": self.value_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MultiHead:
        """Create a layer from the result of `get_config`."""
        attention = keras.saving.deserialize_keras_object(config["attention"])
        return super().from_config({**config, "attention": attention})


def _in_shares(parts: tuple[Tensor, ...], number: int) -> list[tuple[Tensor, ...]]:
    """Divide concatenated tensors evenly among the heads."""
    each = len(parts) // number
    return [parts[i * each : (i + 1) * each] for i in range(number)]
