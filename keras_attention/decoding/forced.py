"""Forced decoding: the probability of given targets, and the attention for them."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention.backend import scan
from keras_attention.decoding.types import StepFunction, check_start, checked_step
from keras_attention.ids import PADDING_ID
from keras_attention.types import Nest, Tensor


class TargetScores(NamedTuple):
    """A model's scores of given targets.

    Attributes:
        log_probs: (B, T) float32, `log p(y_t | y_<t, x)` in nats, zero at padding. The sum over T
            is the log-probability of a hypothesis in a search.
        attention: (B, T, S) float32, zero at padding, or None without attention.
    """

    log_probs: Tensor
    attention: Tensor | None


def forced_decoding(
    step: StepFunction, state: Nest, start_tokens: Tensor, targets: Tensor
) -> TargetScores:
    """Feed given targets to the model and record the log-probability of each token.

    `log p(y | x) = sum_t log p(y_t | y_<t, x)`: each step reads the previous target token,
    whatever the model itself would have chosen. Rows are independent.

    Args:
        step: `step(tokens (B,), state) -> (log_probs (B, V), weights (B, S) or None, state)`.
        state: Nest of tensors with B rows.
        start_tokens: (B,) int32, the tokens that the first step reads.
        targets: (B, T) int32, without the start token, padded with 0. Include the end token to
            score a complete target; without it, the score is that of a prefix. T may be 0.

    Returns:
        Log-probabilities and attention of the target tokens.

    Example:
        "ab" and "b" in a bigram model of padding, start, end, "a" and "b" (ids 0 to 4):

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> targets = np.array([[3, 4, 2], [4, 2, 0]])
        >>> scores = ka.decoding.forced_decoding(step, (), np.array([1, 1]), targets)
        >>> np.exp(np.array(scores.log_probs)).round(2)  # 1 at padding, where log p is 0
        array([[0.6, 0.4, 0.9],
               [0.4, 0.9, 1. ]], dtype=float32)
    """
    start_tokens = ops.expand_dims(check_start(start_tokens, state), 1)
    step, state = checked_step(step, state)
    targets = ops.cast(targets, "int32")
    before = ops.concatenate([start_tokens, targets], axis=1)[:, :-1]

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
