"""Inputs and results of a search, and helpers that the searches share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

import keras
from keras import ops

from keras_attention.checks import check_positive, fits
from keras_attention.types import Nest, Tensor

StepFunction = Callable[..., tuple[Tensor, Tensor | None, Nest]]
"""`step(tokens, state, *memory) -> (log_probs, weights, state)`.

Tokens (N,) int32, log-probabilities (N, V) of the next token, weights (N, S) or None, and a state
whose tensors all have N rows. Leaves of the state may be None, such as the mask of a memory without
padding; they stay None. A memory is what the step reads of each row and never changes; there is
none unless a search was given one. A search knows nothing else about a model.
"""

EndId: TypeAlias = "int | Tensor | tuple[int, ...]"
"""The id of the token that ends a hypothesis, or several."""


class Hypotheses(NamedTuple):
    """The results of a search, best first.

    Attributes:
        ids: (B, K, T) int32, without the start token, with the end token, padded with 0.
        lengths: (B, K) int32, including the end token.
        scores: (B, K) float32, the ranking scores: log-probabilities, after any length and coverage
            penalties. If fewer than K hypotheses exist, the rest have score -inf, length 0 and only
            padding as ids.
        attention: (B, K, T, S) float32, zero after the end, or None without attention.
    """

    ids: Tensor
    lengths: Tensor
    scores: Tensor
    attention: Tensor | None


def checked_step(
    step: StepFunction, state: Nest, end_id: EndId | None = None
) -> tuple[StepFunction, list[Tensor]]:
    """A step function that checks its results, on a state without None, which loops cannot carry.

    Args:
        step: `step(tokens, state, *memory) -> (log_probs, weights, state)`.
        state: Nest of tensors and None.
        end_id: The token that ends a hypothesis, or a tuple of several; None if nothing ends.

    Returns:
        The same step function on a flat list of tensors, and that list.

    Raises:
        TypeError: From the step function, if `step` does not return three things.
        ValueError: From the step function, if it does not return a row of log-probabilities for
            each token, or returns a state with None at other places, or if an end token is none of
            the tokens.
    """
    leaves = keras.tree.flatten(state)

    def tensors_only(leaves: list[Tensor | None]) -> list[Tensor]:
        return [x for x in leaves if x is not None]

    def step_on_tensors(tokens: Tensor, given: list[Tensor], *memory: Nest) -> Any:
        remaining = iter(given)
        own = [None if leaf is None else next(remaining) for leaf in leaves]
        own_state = keras.tree.pack_sequence_as(state, own)
        results = step(tokens, own_state, *memory)
        if not isinstance(results, tuple | list) or len(results) != 3:
            size = f" of {len(results)}" if isinstance(results, tuple | list) else ""
            raise TypeError(
                "Argument `step` must return log-probabilities, weights or None, and the state. "
                f"Received: a {type(results).__name__}{size}"
            )
        log_probs, weights, after = results
        if not fits(log_probs.shape, (tokens.shape[0], None)):
            raise ValueError(
                "Argument `step` must return log-probabilities (N, V), a row for each of the N "
                f"tokens. Received: {tuple(log_probs.shape)} for {tokens.shape[0]} tokens"
            )
        if end_id is not None and log_probs.shape[-1] is not None:
            _check_end_is_token(end_id, log_probs.shape[-1])
        found = keras.tree.flatten(after)
        if [x is None for x in found] != [x is None for x in leaves]:
            raise ValueError(
                "Argument `step` must return a state of the structure of the one it is given. "
                f"Received: {after}, given {own_state}"
            )
        return log_probs, weights, tensors_only(found)

    return step_on_tensors, tensors_only(leaves)


def without_dead(found: Hypotheses) -> Hypotheses:
    """Set ids, lengths and attention to zero wherever the score is -inf."""
    exists = found.scores > -float("inf")
    attention = found.attention
    if attention is not None:
        attention = ops.where(exists[:, :, None, None], attention, 0.0)
    return Hypotheses(
        ids=ops.where(ops.expand_dims(exists, 2), found.ids, 0),
        lengths=ops.where(exists, found.lengths, 0),
        scores=found.scores,
        attention=attention,
    )


def best_first(found: Hypotheses) -> Hypotheses:
    """Sort each row's hypotheses by descending score; the sort is stable."""
    rows, width = ops.shape(found.scores)
    _, order = ops.top_k(found.scores, width)
    first = ops.expand_dims(ops.arange(rows), 1) * width
    order = ops.reshape(first + ops.cast(order, "int32"), (rows * width,))

    def sort(x: Tensor) -> Tensor:
        shape = ops.shape(x)
        flat = ops.reshape(x, (rows * width, *shape[2:]))
        return ops.reshape(ops.take(flat, order, axis=0), shape)

    return Hypotheses(*(None if x is None else sort(x) for x in found))


def described(search: Any, *always: str) -> str:
    """The `repr` of a search: the fields in `always`, and all that differ from their defaults."""
    named = {field.name: (getattr(search, field.name), field.default) for field in fields(search)}
    shown = [
        f"{name}={value!r}"
        for name, (value, default) in named.items()
        if name in always or value != default
    ]
    return f"{type(search).__name__}({', '.join(shown)})"


def check_size(name: str, value: int | Tensor) -> None:
    """Raise `ValueError` unless a size is positive; tensors are not checked."""
    if not ops.is_tensor(value):
        check_positive(name, value)


def check_end(end_id: EndId) -> None:
    """Raise `TypeError` unless end tokens are one id or a tuple of ids; tensors are not checked."""
    ids = end_id if isinstance(end_id, tuple) else (end_id,)
    if not ids or not all(ops.is_tensor(one) or isinstance(one, Integral) for one in ids):
        raise TypeError(
            "Argument `end_id` must be an integer, the id of the token that ends a hypothesis, or "
            f"a tuple of such ids. Received: end_id={end_id!r}"
        )


def _check_end_is_token(end_id: EndId, vocabulary: int) -> None:
    for one in end_id if isinstance(end_id, tuple) else (end_id,):
        if isinstance(one, Integral) and not 0 <= int(one) < vocabulary:
            raise ValueError(
                f"Argument `end_id` must be a token, from 0 to {vocabulary - 1}, or nothing ends. "
                f"Received: end_id={end_id}"
            )


def check_start(start_tokens: Any, state: Nest) -> Tensor:
    """Return start tokens (B,) as int32; `ValueError` unless the state has as many rows."""
    tokens = ops.cast(start_tokens, "int32")
    shapes = [tuple(getattr(x, "shape", ())) for x in keras.tree.flatten(state)]
    if len(tokens.shape) != 1 or not all(fits(s[:1], tokens.shape) for s in shapes if s):
        raise ValueError(
            "Argument `start_tokens` must be (B,), one token for each row of the state. "
            f"Received: start_tokens of shape {tuple(tokens.shape)}, state of shapes {shapes}"
        )
    return tokens


def is_end(tokens: Tensor, end_id: EndId) -> Tensor:
    """Whether each token ends a hypothesis."""
    first, *others = end_id if isinstance(end_id, tuple) else (end_id,)
    found = ops.equal(tokens, first)
    for other in others:
        found = ops.logical_or(found, ops.equal(tokens, other))
    return found


def repeat_rows(nest: Nest, times: int | Tensor) -> Nest:
    """Repeat each row of every tensor: (B, ...) to (B * times, ...). Leaves may be None."""

    def repeat(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        shape = ops.shape(x)
        repeated = ops.broadcast_to(ops.expand_dims(x, 1), (shape[0], times, *shape[1:]))
        return ops.reshape(repeated, (shape[0] * times, *shape[1:]))

    return keras.tree.map_structure(repeat, nest)


def write(buffer: Tensor, time: Tensor, value: Tensor) -> Tensor:
    """`buffer` (N, ..., T) with `value` (N, ...) written at one time step.

    Uses a mask, not a scatter, because every export format and runtime supports it; along the last
    axis, where runtimes select fastest.
    """
    here = ops.equal(ops.arange(ops.shape(buffer)[-1]), time)
    return ops.where(here, ops.expand_dims(value, -1), buffer)


def attention_buffer(
    rows: int | Tensor, max_length: int | Tensor, attention_length: int | Tensor | None
) -> tuple[Tensor, ...]:
    """A tuple of one buffer (N, S, T) for the weights; empty without attention."""
    if attention_length is None:
        return ()
    return (ops.zeros((rows, attention_length, max_length), dtype="float32"),)


def record(
    buffers: tuple[Tensor, ...], time: Tensor, weights: Tensor | None, is_live: Tensor
) -> tuple[Tensor, ...]:
    """Write one step's weights (N, S) to the buffers, zeros in rows that are not live (N,).

    Raises:
        ValueError: If there is a buffer but no weights.
    """
    if buffers and weights is None:
        raise ValueError(
            "Argument `attention_length` must be None if `step` returns no attention weights. "
            f"Received: attention_length={buffers[0].shape[1]}"
        )
    if buffers and weights is not None and not fits(weights.shape[1:], buffers[0].shape[1:2]):
        raise ValueError(
            "Argument `attention_length` must be the number of weights (N, S) that `step` returns. "
            f"Received: attention_length={buffers[0].shape[1]}, weights of {tuple(weights.shape)}"
        )
    return tuple(
        write(
            buffer,
            time,
            ops.where(ops.expand_dims(is_live, 1), ops.cast(weights, "float32"), 0.0),
        )
        for buffer in buffers
    )
