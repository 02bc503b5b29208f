"""Beam search: keep the K best hypotheses at every step."""

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
    check_lengths,
    constrained,
)
from keras_attention.decoding.extensions import best_of_groups
from keras_attention.decoding.loop import until_all_ended
from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import (
    EndId,
    Hypotheses,
    StepFunction,
    best_first,
    check_end,
    check_size,
    check_start,
    checked_step,
    described,
    repeat_rows,
)
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class BeamSearch:
    """Keep the K best hypotheses at every step; see `beam_search`.

    Args:
        width: Number of hypotheses kept per row, K.
        length_penalty: Exponent of GNMT's length normalization; 0 ranks by plain log-probability.
        coverage_penalty: Factor of GNMT's coverage penalty, which needs attention; 0 disables it.
        groups: Number of groups the hypotheses are split into, G; 1 is plain beam search.
        diversity: Penalty on a token for each hypothesis of an earlier group that takes it.
        constraints: Limits on the next token, for example `(MinLength(3), NoRepeatedNgram(3))`.
        imitate_tfa_lengths: Count the end token as `tfa.seq2seq.BeamSearchDecoder` does.

    In a graph, `width` and `length_penalty` may be scalar input tensors; they are not checked then.

    Raises:
        ValueError: If `width` or `groups` is not positive, `width` is not a multiple of `groups`,
            or `length_penalty`, `coverage_penalty` or `diversity` is negative.
        TypeError: If `constraints` is not a tuple of hashable functions.

    Example:
        A bigram model of padding, start, end, "a" and "b" (ids 0 to 4). Greedy search would take
        the likelier "a" and find "a", of probability 0.6 * 0.5; the beam finds "b", 0.4 * 0.9:

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> search = ka.BeamSearch(width=2, length_penalty=0.0)
        >>> found = search(step, (), np.array([1]), end_id=2, max_length=3)
        >>> np.array(found.ids).tolist()
        [[[4, 2, 0], [3, 2, 0]]]
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
        _check_penalties(self.length_penalty, self.coverage_penalty, self.diversity)
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
        """Run `beam_search` with these options, and `constraints` in addition to its own."""
        options |= {field.name: getattr(self, field.name) for field in fields(self)}
        options["constraints"] = (*self.constraints, *constraints)
        return beam_search(step, state, start_tokens, **options)


def beam_search(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    end_id: EndId,
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
    memory: tuple[Nest, ...] = (),
) -> Hypotheses:
    """Extend the K best hypotheses of each row by every token, and keep the K best results.

    Hypotheses are ranked by `s = log P / lp + cp`, where `lp = ((5 + length) / 6) **
    length_penalty`, counting the end token, and `cp = coverage_penalty * sum_j log(min(sum_t a_tj,
    1))` over source positions j, which penalizes positions that got little attention. (A sum of
    weights below 1e-6 counts as 1e-6.) A finished hypothesis keeps its score, but better ones can
    push it out. The search stops when all hypotheses have ended. Ties go to the hypothesis with the
    better-ranked parent, then to the lower token id. Rows are independent.

    With G groups, each group is a beam of K / G hypotheses, and at each step the groups choose one
    after another: `diversity` times the number of hypotheses of earlier groups that took a token in
    this step is subtracted from its log-probability (Hamming diversity). This affects only the
    choice, not the scores.

    Args:
        step: `step(tokens (B * K,), state, *memory) -> (log_probs (B * K, V), weights (B * K, S) or
            None, state)`; the K hypotheses of a row are adjacent.
        state: Nest of tensors with B rows, repeated here to B * K. All that `step` reads of a row
            belongs here or into `memory`, so that it is repeated, too.
        start_tokens: (B,) int32, the tokens that the first step reads.
        end_id: The token that ends a hypothesis, or a tuple of several.
        max_length: Maximum tokens per hypothesis, including the end token, which truncated
            hypotheses lack.
        width: Number of hypotheses kept per row, K.
        length_penalty: Exponent in `lp`.
        coverage_penalty: Factor in `cp`.
        groups: Number of groups, G; K must be a multiple of it.
        diversity: Factor of the Hamming diversity.
        constraints: Limits on the next token. A hypothesis with no token left is dropped.
        imitate_tfa_lengths: Count the end token as `tfa.seq2seq.BeamSearchDecoder` does: not in the
            step that writes it, so the score of a hypothesis in a finished row still changes while
            other rows of the batch run.
        attention_length: S, to record the weights that `step` returns; None for no attention.
        attention_mask: Boolean (B, S), True at source tokens, for the coverage; None if all are.
        memory: Further arguments of `step`, nests of tensors with B rows that no step changes. With
            any, rows may leave the batch when their hypotheses have ended, see `rows_may_leave`, so
            that nothing else that `step` or a constraint reads may have rows.

    Returns:
        Hypotheses, best first; T is `max_length`.

    Raises:
        ValueError: If `width`, `max_length` or `groups` is not positive, `width` is not a multiple
            of `groups`, there is a coverage penalty without attention, or there are no weights to
            record.
        TypeError: If `end_id` is neither an integer nor a tuple of them.

    Example:
        A bigram model of padding, start, end, "a" and "b" (ids 0 to 4):

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> options = {"end_id": 2, "max_length": 3, "width": 3, "length_penalty": 0.0}
        >>> found = ka.decoding.beam_search(step, (), np.array([1]), **options)
        >>> np.array(found.ids).tolist()  # "b", "a" and "ab", each with its end token
        [[[4, 2, 0], [3, 2, 0], [3, 4, 2]]]
        >>> np.exp(np.array(found.scores)).round(3)  # 0.4 * 0.9, 0.6 * 0.5, 0.6 * 0.4 * 0.9
        array([[0.36 , 0.3  , 0.216]], dtype=float32)

    Reference: Wu et al. 2016 (GNMT), section 7, equation 14; Vijayakumar et al. 2018 (groups).
    """
    check_size("max_length", max_length)
    check_end(end_id)
    _check_groups(width, groups)
    _check_penalties(length_penalty, coverage_penalty, diversity)
    _check_coverage(coverage_penalty, attention_length)
    check_lengths(constraints, max_length)
    start_tokens = check_start(start_tokens, state)
    step, state = checked_step(step, state, end_id)

    def ranking_with(mask: Tensor | None) -> Ranking:
        return Ranking(length_penalty, coverage_penalty, mask, end_id, imitate_tfa_lengths)

    def one_step(
        loop: BeamLoop, rows: int | Tensor, mask: Tensor | None, *memory: Nest
    ) -> BeamLoop:
        ranking = ranking_with(mask)
        choose = partial(best_of_groups, ranking=ranking, groups=groups, diversity=diversity)
        log_probs, weights, state = step(loop.tokens, loop.state, *memory)
        log_probs = constrained(log_probs, Written(loop.ids, loop.time, end_id), constraints)
        return extend(loop, log_probs, weights, state, ranking, choose, rows)

    start = first_beams(state, start_tokens, width, groups, max_length, attention_length)
    may_leave = bool(memory) and not imitate_tfa_lengths  # there, a finished row still changes
    of_rows = (attention_mask, *memory)
    end = until_all_ended(one_step, start, max_length, of_rows, width, may_leave)
    found = hypotheses(end, ranking_with(repeat_rows(attention_mask, width)))
    return found if groups == 1 else best_first(found)


def _check_groups(width: int | Tensor, groups: int) -> None:
    check_size("width", width)
    check_positive("groups", groups)
    if groups > 1 and (ops.is_tensor(width) or width % groups):
        raise ValueError(
            "Argument `width` must be a Python integer and a multiple of `groups`. "
            f"Received: width={width}, groups={groups}"
        )


def _check_penalties(
    length_penalty: float | Tensor, coverage_penalty: float, diversity: float
) -> None:
    if not ops.is_tensor(length_penalty):
        check_not_negative("length_penalty", length_penalty)
    check_not_negative("coverage_penalty", coverage_penalty)
    check_not_negative("diversity", diversity)


def _check_coverage(coverage_penalty: float, attention_length: int | Tensor | None) -> None:
    if coverage_penalty and attention_length is None:
        raise ValueError(
            "Argument `coverage_penalty` needs attention weights. "
            f"Received: coverage_penalty={coverage_penalty}, attention_length=None"
        )
