"""Greedy search: take the likeliest token at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_attention.decoding.constraints import Constraint, check_constraints
from keras_attention.decoding.single_loop import follow
from keras_attention.decoding.types import EndId, Hypotheses, StepFunction, described
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class GreedySearch:
    """Take the likeliest token at every step; see `greedy_search`.

    Args:
        constraints: Limits on the next token, for example `(MinLength(3), NoRepeatedNgram(3))`.

    Raises:
        TypeError: If `constraints` is not a tuple of hashable functions.

    Example:
        A bigram model of padding, start, end, "a" and "b" (ids 0 to 4), with and without a minimum
        length:

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> for search in ka.GreedySearch(), ka.GreedySearch((ka.decoding.MinLength(3),)):
        ...     found = search(step, (), np.array([1]), end_id=2, max_length=4)
        ...     print(np.array(found.ids))
        [[[3 2 0 0]]]
        [[[3 4 2 0]]]
    """

    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        check_constraints(self.constraints)

    def __repr__(self) -> str:
        return described(self)

    @property
    def width(self) -> int:
        """Number of hypotheses per row: one."""
        return 1

    def __call__(
        self,
        step: StepFunction,
        state: Nest,
        start_tokens: Tensor,
        *,
        constraints: Sequence[Constraint] = (),
        **options: Any,
    ) -> Hypotheses:
        """Run `greedy_search` with `constraints` in addition to its own."""
        constraints = (*self.constraints, *constraints)
        return greedy_search(step, state, start_tokens, constraints=constraints, **options)


def greedy_search(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    end_id: EndId,
    max_length: int | Tensor,
    constraints: Sequence[Constraint] = (),
    attention_length: int | Tensor | None = None,
    memory: tuple[Nest, ...] = (),
) -> Hypotheses:
    """Take the likeliest token at every step until every row has ended.

    Ties go to the lower token id. Rows are independent.

    Args:
        step: `step(tokens (B,), state, *memory) -> (log_probs (B, V), weights (B, S) or None,
            state)`.
        state: Nest of tensors with B rows.
        start_tokens: (B,) int32, the tokens that the first step reads.
        end_id: The token that ends a hypothesis, or a tuple of several.
        max_length: Maximum tokens per hypothesis, including the end token, which truncated
            hypotheses lack.
        constraints: Limits on the next token. A row with no token left has no hypothesis.
        attention_length: S, to record the weights that `step` returns; None for no attention.
        memory: Further arguments of `step`, nests of tensors with B rows that no step changes. With
            any, rows may leave the batch when their hypotheses have ended, see `rows_may_leave`, so
            that nothing else that `step` or a constraint reads may have rows.

    Returns:
        Hypotheses with K = 1; scores are plain log-probabilities, T is `max_length`.

    Raises:
        ValueError: If `max_length` is not positive, or there are no weights to record.
        TypeError: If `end_id` is neither an integer nor a tuple of them.

    Example:
        A bigram model of padding, start, end, "a" and "b" (ids 0 to 4): "a" is the likeliest start
        (0.6), and the end its likeliest successor (0.5):

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> found = ka.decoding.greedy_search(step, (), np.array([1]), end_id=2, max_length=4)
        >>> np.array(found.ids).tolist(), np.exp(np.array(found.scores)).round(2)
        ([[[3, 2, 0, 0]]], array([[0.3]], dtype=float32))
    """

    def likeliest(log_probs: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        best, chosen = ops.top_k(log_probs, 1)
        return ops.cast(ops.squeeze(chosen, 1), "int32"), ops.squeeze(best, 1)

    return follow(
        step,
        state,
        start_tokens,
        likeliest,
        end_id=end_id,
        max_length=max_length,
        constraints=constraints,
        attention_length=attention_length,
        memory=memory,
    )
