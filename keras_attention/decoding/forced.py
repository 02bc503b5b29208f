"""Forced decoding: how likely given targets are, and where the model looks for them."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention.backend import scan
from keras_attention.decoding.types import StepFunction
from keras_attention.ids import PADDING_ID
from keras_attention.types import Nest, Tensor


class TargetScores(NamedTuple):
    """What a model says of given targets.

    Attributes:
        log_probs: (B, T) float32, `log p(y_t | y_<t, x)` in nats, zero in the padding. The sum over
            T is what a search calls a hypothesis's log-probability.
        attention: (B, T, S) float32, zero in the padding, or None without attention.
    """

    log_probs: Tensor
    attention: Tensor | None


def forced_decoding(
    step: StepFunction, state: Nest, start_tokens: Tensor, targets: Tensor
) -> TargetScores:
    """Let the model write given targets, and note how likely it finds each of their tokens.

    `log p(y | x) = sum_t log p(y_t | y_<t, x)`: each step is given the token before, whatever the
    model itself would have chosen. No row depends on the others.

    Args:
        step: `step(tokens (B,), state) -> (log_probs (B, V), weights (B, S) or None, state)`.
        state: Nest of tensors with B rows.
        start_tokens: (B,) int32, the tokens before the first.
        targets: (B, T) int32, without the start token, padded with 0. The end token counts where it
            is given; without it a target is the beginning of one.

    Returns:
        Log-probabilities and attention of the targets' tokens.
    """
    targets = ops.cast(targets, "int32")
    start_tokens = ops.expand_dims(ops.cast(start_tokens, "int32"), 1)
    before = ops.concatenate([start_tokens, targets[:, :-1]], axis=1)

    def score(state: Nest, tokens: tuple[Tensor, Tensor]) -> tuple[Nest, tuple[Tensor, ...]]:
        before, target = tokens
        log_probs, weights, state = step(before, state)
        log_prob = ops.take_along_axis(log_probs, ops.expand_dims(target, 1), axis=1)[:, 0]
        results = (log_prob,) if weights is None else (log_prob, weights)
        return state, tuple(ops.cast(result, "float32") for result in results)

    _, (log_probs, *attention) = scan(score, state, (ops.transpose(before), ops.transpose(targets)))
    is_token = ops.not_equal(targets, PADDING_ID)
    return TargetScores(
        log_probs=ops.where(is_token, ops.transpose(log_probs), 0.0),
        attention=ops.where(is_token[:, :, None], ops.transpose(attention[0], (1, 0, 2)), 0.0)
        if attention
        else None,
    )
