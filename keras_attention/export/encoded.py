"""What `encode` and `decode_step` of a model return, as named tensors, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_attention.attention import Memory
from keras_attention.export.naming import named
from keras_attention.model.contract import plain
from keras_attention.model.generation import StepModel
from keras_attention.types import Nest, Tensor


class Encoded:
    """What a model's `encode` returns, as named tensors, and the way back.

    Args:
        model: The model, on the TensorFlow backend.

    Attributes:
        specs: The spec of each tensor by name.
    """

    def __init__(self, model: StepModel) -> None:
        import tensorflow as tf

        source = keras.tree.map_structure(
            lambda spec: tf.TensorSpec(spec.shape, spec.dtype or "float32"),
            plain(model.source_specs),
        )
        traced = tf.function(model.encode, autograph=False).get_concrete_function(source)
        self._structure = traced.structured_outputs  # of specs, and None
        self._leaves = keras.tree.flatten(self._structure)
        places = [None if leaf is None else i for i, leaf in enumerate(self._leaves)]
        memory, state = keras.tree.pack_sequence_as(self._structure, places)
        self._names = {place: name for name, place in (*_of_memory(memory), *_of_state(state))}
        self._states = [name for name, _ in _of_state(state)]
        self.specs = {
            name: keras.InputSpec(
                shape=self._leaves[place].shape, dtype=_dtype(self._leaves[place])
            )
            for place, name in self._names.items()
        }

    def named(self, memory: Nest, state: Nest) -> dict[str, Tensor]:
        """The tensors of a memory and a state by name."""
        leaves = keras.tree.flatten((memory, state))
        return {name: _number(leaves[place]) for place, name in self._names.items()}

    def structured(self, given: Mapping[str, Tensor]) -> tuple[Nest, Nest]:
        """The memory and the state from named tensors."""
        leaves = [
            None if leaf is None else _as_it_was(given[self._names[place]], leaf.dtype)
            for place, leaf in enumerate(self._leaves)
        ]
        memory, state = keras.tree.pack_sequence_as(self._structure, leaves)
        return memory, state

    def named_step(
        self, log_probs: Tensor, weights: Tensor | None, state: Nest
    ) -> dict[str, Tensor]:
        """The results of `decode_step` by name."""
        changed = (_number(x) for x in keras.tree.flatten(state) if x is not None)
        outputs = {f"next_{name}": x for name, x in zip(self._states, changed, strict=True)}
        outputs["log_probs"] = log_probs
        if weights is not None:
            outputs["weights"] = weights
        return outputs


def _of_memory(memory: Nest) -> Iterator[tuple[str, Any]]:
    """Names and leaves of a memory."""
    if not isinstance(memory, Memory):
        yield from named(memory, "memory", True)
        return
    yield from named(memory.values, "memory", True)
    yield from named(memory.keys, "keys", True)
    yield from named(memory.mask, "memory_mask", True)
    prepared = keras.tree.flatten((memory.past, memory.alignment))
    yield from named([x for x in prepared if x is not None], "prepared", True)


def _of_state(state: Nest) -> Iterator[tuple[str, Any]]:
    """Names and leaves of a state, in their flat order."""
    found = {place: name for name, place in named(state, "state", True)}
    yield from ((found[place], place) for place in sorted(found))


def _number(x: Tensor) -> Tensor:
    is_bool = keras.backend.standardize_dtype(x.dtype) == "bool"
    return ops.cast(x, "float32") if is_bool else x


def _as_it_was(x: Tensor, dtype: Any) -> Tensor:
    return x > 0.5 if keras.backend.standardize_dtype(dtype) == "bool" else x


def _dtype(spec: Any) -> str:
    dtype = keras.backend.standardize_dtype(spec.dtype)
    return "float32" if dtype == "bool" else dtype
