"""Attention over several memories at once (Zoph and Knight 2016)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.alignments.base import State
from keras_attention.attention.base import AttentionLayer, Memory, check_prepared, split_state
from keras_attention.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiSource(AttentionLayer):
    """Attention over several memories, such as two source languages, or text and an image.

    Formula: `context = [c^1; ...; c^N]`, where attention n has its own score, alignment and
    weights, and attends to memory n: `c^n, weights^n = attend_n(query, memory^n)`.

    The memories may differ in length, features and attention layer. Pass values, keys and masks as
    lists of N tensors, to an `AttentionDecoder` too: `decoder(inputs, memory=[english, french])`.

    For a single softmax over all positions, concatenate the memories along their length and use any
    other attention layer instead.

    Args:
        attentions: N unbuilt attention layers.

    Call arguments:
        query: (B, T, D) or (B, D).
        value: List of values, (B, S_n, M_n) each.
        key: List of keys, or None.
        query_mask: Boolean (B, T), or None. Where it is False, the query is read as zeros.
        value_mask: None, or a list of masks, each boolean (B, S_n) or None. Keras passes the masks
            of the values, if there are any.
        key_mask: Likewise.
        return_attention_scores: Also return the weights.
        training: Whether to apply dropout and the alignments' noise.

    Returns:
        Context (B, T, M_1 + ... + M_N) or (B, M_1 + ... + M_N), and on request the
        concatenated weights, (B, T, S_1 + ... + S_N), which sum to one within each memory.

    Raises:
        TypeError: If `attentions` is not a non-empty list of attention layers.
        ValueError: If the numbers of memories and attentions differ, or the shapes do not match.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> attention = ka.attention.MultiSource(
        ...     [ka.BahdanauAttention(8), ka.LuongAttention("general")]
        ... )
        >>> query = np.ones((2, 5, 6), "float32")
        >>> english, french = np.ones((2, 7, 4), "float32"), np.ones((2, 9, 3), "float32")
        >>> context, weights = attention(query, [english, french], return_attention_scores=True)
        >>> tuple(context.shape), tuple(weights.shape)
        ((2, 5, 7), (2, 5, 16))

    Reference: Zoph and Knight 2016, "Multi-source neural translation", section 4 (multi-source
    attention).
    """

    def __init__(self, attentions: Sequence[AttentionLayer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        attentions = list(attentions)
        if not attentions or not all(isinstance(x, AttentionLayer) for x in attentions):
            raise TypeError(
                "Argument `attentions` must be a non-empty list of attention layers. "
                f"Received: attentions={attentions!r}"
            )
        self.attentions = attentions
        self.supports_masking = True

    @property
    def state_count(self) -> int:
        """Number of tensors in the states of all attentions."""
        return sum(attention.state_count for attention in self.attentions)

    def build(self, query_shape: Shape, value_shape: Any, key_shape: Any = None) -> None:
        """Create the weights for queries (B, T, D) or (B, D) and values (B, S_n, M_n)."""
        for attention, value, key in self._each(value=value_shape, key=key_shape):
            if not attention.built:
                attention.build(query_shape, value, key)
        self.built = True

    def prepare(self, value: Any, key: Any = None, value_mask: Any = None) -> Memory:
        """Project the keys of each memory; every field of the result is a tuple of N."""
        self._check_built()
        each = self._each(value=value, key=key, value_mask=value_mask)
        prepared = [attention.prepare(*its) for attention, *its in each]
        return Memory(*zip(*prepared, strict=True))

    def initial_state(self, memory: Memory) -> State:
        """Return the states of the attentions, concatenated."""
        parts = zip(self.attentions, _parts(memory), strict=True)
        return tuple(x for attention, part in parts for x in attention.initial_state(part))

    def step(
        self,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor] = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend once; see `AttentionLayer`."""
        return self._attend("step", query, memory, state, drawn)

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        drawn: Nest | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """Attend with queries (B, T, D); see `AttentionLayer`."""
        return self._attend("attend", query, memory, state, drawn)

    def _attend(
        self,
        method: str,
        query: Tensor,
        memory: Memory,
        state: Sequence[Tensor],
        drawn: Nest | None,
    ) -> tuple[Tensor, Tensor, State]:
        """Call `method` of each attention and concatenate the results."""
        self._check_built()
        memories, states = _parts(memory), split_state(self.attentions, state)
        drawn = drawn or [None] * len(self.attentions)
        parts = zip(self.attentions, memories, states, drawn, strict=True)
        found = [getattr(attention, method)(query, *own) for attention, *own in parts]
        contexts, weights, after = zip(*found, strict=True)
        contexts, weights = (
            ops.concatenate([self._floating(x) for x in of_all], axis=-1)
            for of_all in (contexts, weights)
        )
        return contexts, weights, tuple(x for own in after for x in own)

    def draw(self, memory: Memory, steps: int | Tensor, training: bool | None) -> Nest:
        """Draw random numbers for each attention, as a list."""
        parts = zip(self.attentions, _parts(memory), strict=True)
        return [attention.draw(part, steps, training) for attention, part in parts]

    def memory_shapes(self, **shapes: Any) -> list[tuple[Any, ...]]:
        """Regroup the shapes of arguments by memory; see `AttentionLayer`."""
        return [
            of_one
            for attention, *its in self._each(**shapes)
            for of_one in attention.memory_shapes(**dict(zip(shapes, its, strict=True)))
        ]

    def _each(self, **arguments: Any) -> list[tuple[Any, ...]]:
        """Pair each attention with its items of the arguments; None stands for None in each."""
        number = len(self.attentions)
        for name, several in arguments.items():
            if several is None:
                continue
            is_list = isinstance(several, list | tuple)
            if not is_list or any(isinstance(size, int) for size in several):  # a tensor, a shape
                count = "a single tensor or shape"
            elif len(several) != number:
                count = str(len(several))
            else:
                continue
            raise ValueError(
                f"Argument `{name}` must be a list of {number} items, one per attention. "
                f"Received: {count}"
            )
        given = [[None] * number if x is None else x for x in arguments.values()]
        return list(zip(self.attentions, *given, strict=True))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        attentions = keras.saving.serialize_keras_object(self.attentions)
        return {**super().get_config(), "attentions": attentions}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MultiSource:
        """Create a layer from the result of `get_config`."""
        attentions = keras.saving.deserialize_keras_object(config["attentions"])
        return super().from_config({**config, "attentions": attentions})


def _parts(memory: Memory) -> list[Memory]:
    """Split a memory into one per attention."""
    check_prepared(memory)
    fields: Iterable[Any] = memory
    return [Memory(*of_one) for of_one in zip(*fields, strict=True)]
