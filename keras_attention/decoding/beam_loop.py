"""The loop state of beam search, and how a step updates it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from keras_attention.decoding.extensions import HAD_ENDED, Beams, Extensions
from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import (
    Hypotheses,
    attention_buffer,
    is_end,
    record,
    repeat_rows,
    without_dead,
    write,
)
from keras_attention.types import Nest, Tensor


class BeamLoop(NamedTuple):
    """The K hypotheses of each row, each with the model's state.

    Attributes:
        time: Scalar int32, number of steps done.
        tokens: (B * K,) int32, the last token of each hypothesis.
        state: Nest of tensors with B * K rows.
        ended: (B, K) boolean.
        log_prob: (B, K) float32; -inf where there is no hypothesis.
        lengths: (B, K) int32, including the end token.
        ids: (B * K, T) int32.
        attention: A tuple of the buffer (B * K, S, T); empty without attention.
    """

    time: Tensor
    tokens: Tensor
    state: Nest
    ended: Tensor
    log_prob: Tensor
    lengths: Tensor
    ids: Tensor
    attention: tuple[Tensor, ...]


def first_beams(
    state: Nest,
    start_tokens: Tensor,
    width: int | Tensor,
    groups: int,
    max_length: int | Tensor,
    attention_length: int | Tensor | None,
) -> BeamLoop:
    """Start with one empty hypothesis per group and row."""
    rows = ops.shape(start_tokens)[0]
    flat = rows * width
    place = ops.arange(width) if groups == 1 else ops.arange(width) % (width // groups)
    first = ops.where(ops.equal(place, 0), 0.0, -float("inf"))
    return BeamLoop(
        time=ops.convert_to_tensor(0, dtype="int32"),
        tokens=repeat_rows(ops.cast(start_tokens, "int32"), width),
        state=repeat_rows(state, width),
        ended=ops.zeros((rows, width), dtype="bool"),
        log_prob=ops.broadcast_to(ops.expand_dims(first, 0), (rows, width)),
        lengths=ops.zeros((rows, width), dtype="int32"),
        ids=ops.zeros((flat, max_length), dtype="int32"),
        attention=attention_buffer(flat, max_length, attention_length),
    )


def extend(
    loop: BeamLoop,
    log_probs: Tensor,
    weights: Tensor | None,
    state: Nest,
    ranking: Ranking,
    choose: Callable[[Beams, Tensor], Extensions],
    rows: int | Tensor,
) -> BeamLoop:
    """Add one token; each new hypothesis inherits everything else from its parent.

    Args:
        loop: The loop before the step.
        log_probs: (B * K, V) float32, log-probabilities of the next token.
        weights: (B * K, S), or None without attention.
        state: The model's state after the step.
        ranking: Scores the hypotheses.
        choose: Selects the extensions to keep.
        rows: B, known before the loop, so that what follows from it is, too.
    """
    width = ops.shape(loop.ended)[1]
    lengths = ops.where(loop.ended, loop.lengths, loop.time + 1)
    coverage = _coverage(loop, weights, ranking)
    chosen = choose(Beams(rows, loop.log_prob, loop.ended, lengths, coverage), log_probs)
    first = ops.expand_dims(ops.arange(rows), 1) * width
    parents = ops.reshape(first + chosen.parents, (-1,))

    def from_parents(x: Tensor) -> Tensor:
        return ops.take(x, parents, axis=0)

    had_ended = ops.equal(chosen.tokens, HAD_ENDED)
    live = ops.reshape(ops.logical_not(had_ended), (-1,))
    tokens = ops.where(live, ops.reshape(chosen.tokens, (-1,)), 0)
    state, (ids, attention) = keras.tree.map_structure(
        from_parents, (state, (loop.ids, loop.attention))
    )
    weights = None if weights is None else from_parents(weights)
    return BeamLoop(
        time=loop.time + 1,
        tokens=tokens,
        state=state,
        ended=ops.logical_or(had_ended, is_end(chosen.tokens, ranking.end_id)),
        log_prob=chosen.log_prob,
        lengths=ops.reshape(from_parents(ops.reshape(lengths, (-1,))), (-1, width)),
        ids=write(ids, loop.time, tokens),
        attention=record(attention, loop.time, weights, live),
    )


def hypotheses(end: BeamLoop, ranking: Ranking) -> Hypotheses:
    """The hypotheses of a finished loop, in its order."""
    rows, width = ops.shape(end.ended)
    just_ended = ops.logical_and(end.ended, ops.equal(end.lengths, end.time))
    scores = ranking.score(end.log_prob, end.lengths, just_ended)
    if ranking.coverage_penalty:
        read = ops.sum(end.attention[0], axis=-1)
        scores = scores + ops.reshape(ranking.coverage(read), (rows, width))

    def of_rows(x: Tensor) -> Tensor:
        return ops.reshape(x, (rows, width, *ops.shape(x)[1:]))

    attention = of_rows(ops.swapaxes(end.attention[0], 1, 2)) if end.attention else None
    return without_dead(Hypotheses(of_rows(end.ids), end.lengths, scores, attention))


def _coverage(loop: BeamLoop, weights: Tensor | None, ranking: Ranking) -> Tensor | None:
    """The coverage penalty (B, K), including this step's weights, which precede its token."""
    if not ranking.coverage_penalty:
        return None
    live = ops.logical_not(ops.reshape(loop.ended, (-1, 1)))
    now = ops.where(live, ops.cast(weights, "float32"), 0.0)
    read = ops.sum(loop.attention[0], axis=-1) + now
    return ops.reshape(ranking.coverage(read), ops.shape(loop.ended))
