"""Scheduled decoding: read some target tokens as given, and let the model draw the others."""

from __future__ import annotations

from keras import ops

from keras_attention.backend import scan
from keras_attention.decoding.sampling import draw
from keras_attention.decoding.types import StepFunction, checked_step
from keras_attention.ids import PADDING_ID
from keras_attention.types import Nest, Tensor


def scheduled_decoding(
    step: StepFunction,
    state: Nest,
    targets: Tensor,
    is_given: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
) -> Tensor:
    """Decoder inputs in which some target tokens are replaced by the model's own.

    Formula: `x_t = y_t` where `is_given`, else `x_t ~ p(. | x_<t) ** (1 / temperature)` over all
    tokens except padding.

    Args:
        step: `step(tokens (B,), state) -> (log_probs (B, V), weights (B, S) or None, state)`.
        state: Nest of tensors with B rows.
        targets: (B, T) int32, the true decoder inputs: the start token first, padded with 0.
        is_given: Boolean (B, T). The first token is always given, and padding stays padding.
        uniform: (B, T) in [0, 1), the random numbers; those at t - 1 draw token t.
        temperature: At least 0; below 1 sharpens, and 0 takes the likeliest token.

    Returns:
        x, (B, T) int32. Drawn tokens carry no gradient.

    Example:
        A bigram model of padding, start, end, "a" and "b" (ids 0 to 4) replaces positions 1 and 3
        of a target. After the start token, 0.7 draws "b" (above 0.6 for "a"); after "b", 0.95 draws
        "a" (above 0.9 for the end):

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> targets = np.array([[1, 3, 4, 4]])
        >>> is_given = np.array([[True, False, True, False]])
        >>> uniform = np.array([[0.7, 0.0, 0.95, 0.0]])
        >>> read = ka.decoding.scheduled_decoding(step, (), targets, is_given, uniform)
        >>> np.array(read).tolist()
        [[1, 4, 4, 3]]
    """
    step, state = checked_step(step, state)
    targets = ops.cast(targets, "int32")
    is_first = ops.equal(ops.arange(ops.shape(targets)[1]), 0)
    is_given = ops.logical_or(ops.cast(is_given, "bool"), is_first)

    def one_step(carry: Nest, x: tuple[Tensor, ...]) -> tuple[Nest, Tensor]:
        own, state = carry
        true, is_true, number = x
        tokens = ops.where(is_true, true, own)
        log_probs, _, state = step(tokens, state)
        is_padding = ops.equal(ops.arange(log_probs.shape[-1]), PADDING_ID)
        log_probs = ops.where(is_padding, -float("inf"), log_probs)
        return (draw(log_probs, number, temperature), state), tokens

    by_time = tuple(ops.transpose(x) for x in (targets, is_given, uniform))
    _, read = scan(one_step, (ops.zeros(ops.shape(targets)[:1], "int32"), state), by_time)
    return ops.where(ops.equal(targets, PADDING_ID), PADDING_ID, ops.transpose(read))
