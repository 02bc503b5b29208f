"""Beam search: the K best hypotheses side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from keras import ops

from keras_attention.checks import check_not_negative, check_positive
from keras_attention.decoding.beam_loop import BeamLoop, extend, first_beams, hypotheses
from keras_attention.decoding.constraints import (
    Constraint,
    Written,
    check_constraints,
    constrained,
)
from keras_attention.decoding.extensions import best_of_groups
from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import (
    Hypotheses,
    StepFunction,
    best_first,
    check_size,
    described,
    repeat_rows,
    until_all_ended,
)
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class BeamSearch:
    """Keep the best hypotheses at every step; see `beam_search`.

    Args:
        width: How many hypotheses are kept for each row, K.
        length_penalty: Exponent of GNMT's length normalization; 0 ranks by plain log-probability.
        coverage_penalty: Factor of GNMT's coverage penalty, which needs attention; 0 for none.
        groups: How many groups the hypotheses are kept in, G; 1 is plain beam search.
        diversity: What a token costs a group for each hypothesis of an earlier one that takes it.
        constraints: Which tokens may follow, for instance `(MinLength(3), NoRepeatedNgram(3))`.
        imitate_tfa_lengths: Count the end token as `tfa.seq2seq.BeamSearchDecoder` does.

    In a graph `width` and `length_penalty` may be scalar tensors, inputs of it: they are not
    checked then.

    Raises:
        ValueError: If `width` or `groups` is not positive, `width` is no multiple of `groups`, or
            `length_penalty`, `coverage_penalty` or `diversity` is negative.
        TypeError: If `constraints` is no tuple of hashable functions.
    """

    width: int | Tensor = 5
    length_penalty: float | Tensor = 0.6
    coverage_penalty: float = 0.0
    groups: int = 1
    diversity: float = 0.0
    constraints: tuple[Constraint, ...] = ()
    imitate_tfa_lengths: bool = False

    def __post_init__(self) -> None:
        _check_groups(self.width, self.groups)
        if not ops.is_tensor(self.length_penalty):
            check_not_negative("length_penalty", self.length_penalty)
        check_not_negative("coverage_penalty", self.coverage_penalty)
        check_not_negative("diversity", self.diversity)
        check_constraints(self.constraints)

    def __repr__(self) -> str:
        return described(self, "width", "length_penalty")

    def __call__(
        self,
        step: StepFunction,
        state: Nest,
        start_tokens: Tensor,
        *,
        constraints: Sequence[Constraint] = (),
        **options: Any,
    ) -> Hypotheses:
        """Search; arguments and results as in `beam_search`, constraints are added to its own."""
        options |= {field.name: getattr(self, field.name) for field in fields(self)}
        options["constraints"] = (*self.constraints, *constraints)
        return beam_search(step, state, start_tokens, **options)


def beam_search(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    end_id: int,
    max_length: int | Tensor,
    width: int | Tensor = 5,
    length_penalty: float | Tensor = 0.6,
    coverage_penalty: float = 0.0,
    groups: int = 1,
    diversity: float = 0.0,
    constraints: Sequence[Constraint] = (),
    imitate_tfa_lengths: bool = False,
    attention_length: int | Tensor | None = None,
    attention_mask: Tensor | None = None,
) -> Hypotheses:
    """Extend the K best hypotheses of each row by every token, and keep the K best of these.

    Hypotheses are ranked by `s = log P / lp + cp`, where `lp = ((5 + length) / 6) **
    length_penalty`, the end token counted, and `cp = coverage_penalty * sum_j log(min(sum_t a_tj,
    1))` over the places j of the source: what was read little costs much. (Weights that sum to
    less than 1e-6 count as that.) A hypothesis that has ended keeps its score, but better ones can
    push it out. The search stops when all have ended. Among equal scores the hypothesis whose
    parent was ranked better comes first, then the one with the lower token id. No row depends on
    the others.

    With G groups, each is a beam of K / G hypotheses, and they choose one after the other at each
    step: for the choice alone, a token costs a group `diversity` times the number of hypotheses of
    earlier groups that take it in this step (Hamming diversity). Scores have no such cost.

    Args:
        step: `step(tokens (B * K,), state) -> (log_probs (B * K, V), weights (B * K, S) or None,
            state)`; the K hypotheses of a row are neighbors.
        state: Nest of tensors with B rows; they are repeated here.
        start_tokens: (B,) int32, the tokens before the first.
        end_id: The token that ends a hypothesis.
        max_length: The most tokens of a hypothesis, the end token counted. One that is cut there
            has no end token.
        width: How many hypotheses are kept, K.
        length_penalty: The exponent above.
        coverage_penalty: The factor above.
        groups: G, of which K is a multiple.
        diversity: The cost above.
        constraints: Which tokens may follow. A hypothesis for which they leave nothing is dropped.
        imitate_tfa_lengths: Count the end token as `tfa.seq2seq.BeamSearchDecoder` does: not yet in
            the step that writes it, so a hypothesis of a finished row gets another score while
            other rows of its batch still run.
        attention_length: S, where `step` gives weights that are to be kept; None for no attention.
        attention_mask: Boolean (B, S), True where the source has a token, for the coverage; None
            for everywhere.

    Returns:
        Hypotheses, best first; T is `max_length`.

    Raises:
        ValueError: If `width`, `max_length` or `groups` is not positive, `width` is no multiple of
            `groups`, or there is a coverage penalty without attention.

    Reference: Wu et al. 2016 (GNMT), section 7, equation 14; Vijayakumar et al. 2018 (groups).
    """
    check_size("max_length", max_length)
    _check_groups(width, groups)
    _check_coverage(coverage_penalty, attention_length)
    mask = None if attention_mask is None else repeat_rows(attention_mask, width)
    ranking = Ranking(length_penalty, coverage_penalty, mask, end_id, imitate_tfa_lengths)
    choose = partial(best_of_groups, ranking=ranking, groups=groups, diversity=diversity)

    def one_step(loop: BeamLoop) -> BeamLoop:
        log_probs, weights, state = step(loop.tokens, loop.state)
        log_probs = constrained(log_probs, Written(loop.ids, loop.time, end_id), constraints)
        return extend(loop, log_probs, weights, state, ranking, choose)

    start = first_beams(state, start_tokens, width, groups, max_length, attention_length)
    found = hypotheses(until_all_ended(one_step, start, max_length), ranking)
    return found if groups == 1 else best_first(found)


def _check_groups(width: int | Tensor, groups: int) -> None:
    check_size("width", width)
    check_positive("groups", groups)
    if groups > 1 and (ops.is_tensor(width) or width % groups):
        raise ValueError(
            "Argument `width` must be a multiple of `groups`, and known beforehand. "
            f"Received: width={width}, groups={groups}"
        )


def _check_coverage(coverage_penalty: float, attention_length: int | Tensor | None) -> None:
    if coverage_penalty and attention_length is None:
        raise ValueError(
            "Argument `coverage_penalty` needs attention weights. "
            f"Received: coverage_penalty={coverage_penalty}, attention_length=None"
        )
