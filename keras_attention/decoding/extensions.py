"""One step of beam search: extend every hypothesis by every token and keep the best."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import is_end, repeat_rows
from keras_attention.types import Tensor

HAD_ENDED = -1
"""The token of an extension that adds nothing, because the hypothesis had already ended."""


class Beams(NamedTuple):
    """Hypotheses to extend.

    Attributes:
        rows: B.
        log_prob: (B, K) float32.
        ended: (B, K) boolean.
        lengths: (B, K) int32, including the next token unless the hypothesis has ended.
        coverage: (B, K) float32, likewise, added to scores; None for no coverage penalty.
    """

    rows: int | Tensor
    log_prob: Tensor
    ended: Tensor
    lengths: Tensor
    coverage: Tensor | None


class Extensions(NamedTuple):
    """Hypotheses extended by a token, best first.

    Attributes:
        parents: (B, K) int32, index of the hypothesis that was extended.
        tokens: (B, K) int32, the new token, or `HAD_ENDED`.
        log_prob: (B, K) float32.
    """

    parents: Tensor
    tokens: Tensor
    log_prob: Tensor


def best_of_groups(
    beams: Beams, log_probs: Tensor, ranking: Ranking, groups: int, diversity: float
) -> Extensions:
    """Choose each group's best extensions, one group after another; see `beam_search`.

    Args:
        beams: The hypotheses; those of a group are adjacent.
        log_probs: (B * K, V) float32, log-probabilities of the next token.
        ranking: Scores the extended hypotheses.
        groups: Number of groups, G, of K / G hypotheses each.
        diversity: Penalty on a token for each hypothesis of an earlier group that takes it now.
    """
    if groups == 1:
        return best_extensions(beams, log_probs, ranking)
    rows, width = beams.rows, ops.shape(beams.ended)[1]
    size, vocabulary = width // groups, log_probs.shape[-1]
    log_probs = ops.reshape(log_probs, (rows, width, vocabulary))
    taken = ops.zeros((rows, vocabulary), dtype="float32")
    found = []
    for first in range(0, width, size):
        part = slice(first, first + size)
        group = Beams(rows, *(None if x is None else x[:, part] for x in beams[1:]))
        of_group = ops.reshape(log_probs[:, part], (rows * size, vocabulary))
        best = best_extensions(group, of_group, ranking, diversity * taken)
        taken += _counts(best, vocabulary)
        found.append(best._replace(parents=best.parents + first))
    return Extensions(*(ops.concatenate(x, axis=1) for x in zip(*found, strict=True)))


def best_extensions(
    beams: Beams, log_probs: Tensor, ranking: Ranking, cost: Tensor | None = None
) -> Extensions:
    """Extend every hypothesis by every token and keep the K best.

    Args:
        beams: The hypotheses.
        log_probs: (B * K, V) float32, log-probabilities of the next token.
        ranking: Scores the extended hypotheses.
        cost: (B, V), subtracted from log-probabilities for the ranking only; None for no cost.
    """
    extended, tokens = _candidates(beams, log_probs, cost)
    ended, lengths = (ops.expand_dims(x, 2) for x in (beams.ended, beams.lengths))
    just_ended = is_end(tokens, ranking.end_id)
    ranked = ranking.score(extended, lengths, just_ended)
    if beams.coverage is not None:
        ranked = ranked + ops.expand_dims(beams.coverage, 2)
    if cost is not None:
        vocabulary = log_probs.shape[-1]
        places = ops.reshape(ops.arange(beams.rows), (-1, 1, 1)) * vocabulary + tokens
        paid = ops.take(ops.reshape(cost, (-1,)), ops.maximum(places, 0), axis=0)
        extended = extended + ops.where(ended, 0.0, paid)
    return _best(beams.rows, ranked, extended, tokens)


def _candidates(beams: Beams, log_probs: Tensor, cost: Tensor | None) -> tuple[Tensor, Tensor]:
    """The best extensions of each hypothesis: at most K of them can be among the K best overall.

    A finished hypothesis has one extension, the token `HAD_ENDED` at no cost.

    Returns:
        Log-probabilities of the extended hypotheses, `cost` subtracted, and their tokens, both
        (B, K, C) with C = min(K, V).
    """
    width, vocabulary = ops.shape(beams.ended)[1], log_probs.shape[-1]
    count = ops.minimum(width, vocabulary) if ops.is_tensor(width) else min(width, vocabulary)
    if cost is not None:
        log_probs = log_probs - repeat_rows(cost, width)
    best, tokens = ops.top_k(log_probs, count)
    best, tokens = (ops.reshape(x, (-1, width, count)) for x in (best, tokens))
    as_it_is = ops.where(ops.equal(ops.arange(count), 0), 0.0, -float("inf"))
    ended = ops.expand_dims(beams.ended, 2)
    extended = ops.expand_dims(beams.log_prob, 2) + ops.where(ended, as_it_is, best)
    return extended, ops.where(ended, HAD_ENDED, ops.cast(tokens, "int32"))


def _best(rows: int | Tensor, ranked: Tensor, log_prob: Tensor, tokens: Tensor) -> Extensions:
    """The K best of candidates (B, K, C)."""
    _, width, count = ops.shape(ranked)
    size = width * count
    _, chosen = ops.top_k(ops.reshape(ranked, (-1, size)), width)
    chosen = ops.cast(chosen, "int32")
    flat = ops.expand_dims(ops.arange(rows), 1) * size + chosen

    def of_chosen(x: Tensor) -> Tensor:
        return ops.take(ops.reshape(x, (-1,)), flat, axis=0)

    return Extensions(chosen // count, of_chosen(tokens), of_chosen(log_prob))


def _counts(found: Extensions, vocabulary: int) -> Tensor:
    """How many of the extended hypotheses took each token (B, V), ignoring those of score -inf."""
    taken = ops.where(found.log_prob > -float("inf"), found.tokens, -1)
    taken = ops.equal(ops.expand_dims(taken, 2), ops.arange(vocabulary))
    return ops.sum(ops.cast(taken, "float32"), axis=1)
