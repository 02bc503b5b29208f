"""The decoding loop with one hypothesis per row, for any way of choosing tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras import ops

from keras_attention.decoding.constraints import Constraint, Written, check_lengths, constrained
from keras_attention.decoding.loop import until_all_ended
from keras_attention.decoding.types import (
    EndId,
    Hypotheses,
    StepFunction,
    attention_buffer,
    check_end,
    check_size,
    check_start,
    checked_step,
    is_end,
    record,
    without_dead,
    write,
)
from keras_attention.types import Nest, Tensor

Choice = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""`choose(log_probs (N, V), time) -> (tokens (N,), their log-probabilities (N,))`."""


class _Loop(NamedTuple):
    """Like `BeamLoop`, with one hypothesis for each of N rows."""

    time: Tensor
    tokens: Tensor
    state: Nest
    ended: Tensor
    log_prob: Tensor
    lengths: Tensor
    ids: Tensor
    attention: tuple[Tensor, ...]


def follow(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    choose: Choice,
    *,
    end_id: EndId,
    max_length: int | Tensor,
    constraints: Sequence[Constraint] = (),
    attention_length: int | Tensor | None = None,
    memory: tuple[Nest, ...] = (),
    may_leave: bool = True,
) -> Hypotheses:
    """Append the token that `choose` selects at every step until every row has ended.

    The other arguments are those of `greedy_search`; without `may_leave`, rows never leave.
    """
    check_size("max_length", max_length)
    check_end(end_id)
    check_lengths(constraints, max_length)
    start_tokens = check_start(start_tokens, state)
    step, state = checked_step(step, state, end_id)
    rows = ops.shape(start_tokens)[0]
    start = _Loop(
        time=ops.convert_to_tensor(0, dtype="int32"),
        tokens=start_tokens,
        state=state,
        ended=ops.zeros((rows,), dtype="bool"),
        log_prob=ops.zeros((rows,), dtype="float32"),
        lengths=ops.zeros((rows,), dtype="int32"),
        ids=ops.zeros((rows, max_length), dtype="int32"),
        attention=attention_buffer(rows, max_length, attention_length),
    )

    def one_step(loop: _Loop, _: int | Tensor, *memory: Nest) -> _Loop:
        log_probs, weights, state = step(loop.tokens, loop.state, *memory)
        written = Written(loop.ids, loop.time, end_id)
        chosen, log_prob = choose(constrained(log_probs, written, constraints), loop.time)
        live = ops.logical_not(loop.ended)
        tokens = ops.where(live, chosen, 0)
        return _Loop(
            time=loop.time + 1,
            tokens=tokens,
            state=state,
            ended=ops.logical_or(loop.ended, is_end(tokens, end_id)),
            log_prob=loop.log_prob + ops.where(live, log_prob, 0.0),
            lengths=loop.lengths + ops.cast(live, "int32"),
            ids=write(loop.ids, loop.time, tokens),
            attention=record(loop.attention, loop.time, weights, live),
        )

    may_leave = may_leave and bool(memory)
    end = until_all_ended(one_step, start, max_length, memory, may_leave=may_leave)
    attention = None
    if end.attention:
        attention = ops.expand_dims(ops.swapaxes(end.attention[0], 1, 2), 1)
    return without_dead(
        Hypotheses(
            ids=ops.expand_dims(end.ids, 1),
            lengths=ops.expand_dims(end.lengths, 1),
            scores=ops.expand_dims(end.log_prob, 1),
            attention=attention,
        )
    )
