"""Scheduled decoding: a target is written partly as it is given, partly as the model has it."""

from __future__ import annotations

from keras import ops

from keras_attention.backend import scan
from keras_attention.decoding.sampling import draw
from keras_attention.decoding.types import StepFunction
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
    """The tokens that a decoder reads where some of them are the model's own.

    Formula: `x_t = y_t` where it is given, else `x_t ~ p(. | x_<t) ** (1 / temperature)`, of all
    tokens but the padding, which no target has.

    Args:
        step: `step(tokens (B,), state) -> (log_probs (B, V), weights (B, S) or None, state)`.
        state: Nest of tensors with B rows.
        targets: (B, T) int32, the decoder's true inputs: the start token first, padded with 0.
        is_given: Boolean (B, T). The first token is always given, and padding stays padding.
        uniform: (B, T), from 0 to below 1: what the model's own tokens are drawn by.
        temperature: Not negative; below 1 sharpens, and 0 takes the likeliest token.

    Returns:
        x, (B, T) int32. No gradient goes through what was drawn.
    """
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
    _, read = scan(one_step, (ops.zeros_like(targets[:, 0]), state), by_time)
    return ops.where(ops.equal(targets, PADDING_ID), PADDING_ID, ops.transpose(read))
