"""Greedy search: the likeliest token at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_attention.decoding.constraints import Constraint, check_constraints
from keras_attention.decoding.single_loop import follow
from keras_attention.decoding.types import Hypotheses, StepFunction, described
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class GreedySearch:
    """Take the likeliest token at every step; see `greedy_search`.

    Args:
        constraints: Which tokens may follow, for instance `(MinLength(3), NoRepeatedNgram(3))`.

    Raises:
        TypeError: If `constraints` is no tuple of hashable functions.
    """

    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        check_constraints(self.constraints)

    def __repr__(self) -> str:
        return described(self)

    @property
    def width(self) -> int:
        """Hypotheses for each row: one."""
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
        """Search; arguments and results as in `greedy_search`, constraints are added to its own."""
        constraints = (*self.constraints, *constraints)
        return greedy_search(step, state, start_tokens, constraints=constraints, **options)


def greedy_search(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    end_id: int,
    max_length: int | Tensor,
    constraints: Sequence[Constraint] = (),
    attention_length: int | Tensor | None = None,
) -> Hypotheses:
    """Follow the likeliest token at every step, until each row has ended.

    Among tokens that are equally likely the lowest id is taken. No row depends on the others.

    Args:
        step: `step(tokens (B,), state) -> (log_probs (B, V), weights (B, S) or None, state)`.
        state: Nest of tensors with B rows.
        start_tokens: (B,) int32, the tokens before the first.
        end_id: The token that ends a hypothesis.
        max_length: The most tokens of a hypothesis, the end token counted. One that is cut there
            has no end token.
        constraints: Which tokens may follow. A row for which they leave nothing has no hypothesis.
        attention_length: S, where `step` gives weights that are to be kept; None for no attention.

    Returns:
        Hypotheses with K = 1; scores are plain log-probabilities, T is `max_length`.

    Raises:
        ValueError: If `max_length` is not positive.
    """

    def likeliest(log_probs: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        best, chosen = ops.top_k(log_probs, 1)
        return ops.cast(chosen[:, 0], "int32"), best[:, 0]

    return follow(
        step,
        state,
        start_tokens,
        likeliest,
        end_id=end_id,
        max_length=max_length,
        constraints=constraints,
        attention_length=attention_length,
    )
