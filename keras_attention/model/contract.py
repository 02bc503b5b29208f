"""What a `StepModel` says about itself, reads and returns, checked."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import keras
import numpy as np

from keras_attention.checks import checked_array, checked_ids
from keras_attention.ids import PADDING_ID
from keras_attention.types import Nest


def check_facts(model: Any, base: type) -> None:
    """Check what a model says about itself.

    Args:
        model: A `StepModel`.
        base: The class whose `encode` and `decode_step` only say that they are missing.

    Raises:
        TypeError: If an attribute is missing or of another kind.
        ValueError: If the start or end token lies outside the vocabulary.
        NotImplementedError: If a method is missing.
    """
    name = type(model).__name__
    specs = keras.tree.flatten(plain(getattr(model, "source_specs", None)))
    if not all(getattr(spec, "shape", None) is not None for spec in specs):
        raise TypeError(
            f"Attribute `source_specs` of {name} must be a keras.InputSpec with a shape, for "
            'example keras.InputSpec(shape=(None, 7), dtype="float32"), or a nest of them. '
            f"Received: {getattr(model, 'source_specs', 'no such attribute')}"
        )
    vocabulary = getattr(model, "target_vocabulary", None)
    if not isinstance(vocabulary, Integral):
        raise TypeError(
            f"Attribute `target_vocabulary` of {name} must be the number of target tokens. "
            f"Received: {vocabulary!r}"
        )
    ends = model.end_id if isinstance(model.end_id, tuple) else (model.end_id,)
    for token in (model.start_id, *ends):
        if not isinstance(token, Integral) or not 0 <= int(token) < int(vocabulary):
            raise ValueError(
                f"Attributes `start_id` and `end_id` of {name} must be ids from 0 to "
                f"{vocabulary - 1}. Received: start_id={model.start_id}, end_id={model.end_id}"
            )
    for method in ("encode", "decode_step"):
        if getattr(type(model), method) is getattr(base, method):
            raise missing(model, method)


def missing(model: Any, method: str) -> NotImplementedError:
    """The error of a model that lacks a method."""
    return NotImplementedError(
        f"{type(model).__name__} must implement `{method}`. (If another base class has it, name "
        "that class before StepModel.)"
    )


def check_results(model: Any, method: str, given: Any, count: int, expected: str) -> None:
    """Raise `TypeError` unless a method returned `count` things, which `expected` names."""
    is_sequence = isinstance(given, tuple | list)
    if not is_sequence or len(given) != count:
        size = f" of {len(given)}" if is_sequence else ""
        raise TypeError(
            f"`{method}` of {type(model).__name__} must return {expected}. "
            f"Received: a {type(given).__name__}{size}"
        )


def checked_source(specs: Nest, source: Any) -> Nest:
    """A source as arrays that fit their specs, in the form of the specs.

    Raises:
        ValueError: If it has another form, an array does not fit, or their rows differ in number.
    """
    specs = plain(specs)
    given: list[Any] = []
    try:
        keras.tree.map_structure_up_to(specs, given.append, source)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Argument `source` must have the form of `source_specs`, "
            f"{specs}. Received: {_form(source)}"
        ) from error
    both = zip(keras.tree.flatten(specs), given, strict=True)
    arrays = [checked_array(spec, one) for spec, one in both]
    rows = {len(array) for array in arrays}
    if len(rows) > 1:
        raise ValueError(
            "Argument `source` must have the same number of rows in each array. "
            f"Received: {sorted(rows)}"
        )
    return keras.tree.pack_sequence_as(specs, arrays)


def checked_constraints(
    rows: int, vocabulary: int, max_length: int, prefix: Any, allowed: Any
) -> dict[str, np.ndarray]:
    """The arguments `prefix` and `allowed` that were given, in the form that `search` takes.

    Raises:
        ValueError: If they do not fit the number of rows, the vocabulary or the maximum length.
    """
    given = {}
    if prefix is not None:
        given["prefix"] = checked_ids(prefix, vocabulary, "prefix")
        if len(given["prefix"]) != rows:
            raise ValueError(
                "Argument `prefix` must have as many rows as `source`. "
                f"Received: {rows} sources, prefix of {given['prefix'].shape}"
            )
        longest = int((given["prefix"] != PADDING_ID).sum(axis=1).max())
        if longest > max_length:
            raise ValueError(
                "Argument `prefix` must not be longer than `max_length`. "
                f"Received: a prefix of {longest} tokens, max_length={max_length}"
            )
    if allowed is not None:
        mask = np.asarray(allowed)
        if mask.dtype != bool or mask.shape not in ((vocabulary,), (rows, vocabulary)):
            raise ValueError(
                "Argument `allowed` must be boolean, (target vocabulary,) or (batch, target "
                f"vocabulary) = {(rows, vocabulary)}. "
                f"Received: shape={mask.shape}, dtype={mask.dtype}"
            )
        given["allowed"] = np.broadcast_to(mask, (rows, vocabulary))
    return given


def _form(nest: Any) -> str:
    """The containers of a nest, without its arrays."""
    if isinstance(nest, Mapping):
        return f"a dictionary with {sorted(map(str, nest))}"
    return f"a {type(nest).__name__}"


def plain(nest: Nest) -> Nest:
    """A nest in containers of Python; Keras wraps those that are attributes of a layer."""
    if isinstance(nest, Mapping):
        return {key: plain(value) for key, value in nest.items()}
    return [plain(value) for value in nest] if isinstance(nest, list) else nest
