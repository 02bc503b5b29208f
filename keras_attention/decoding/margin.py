"""How close a beam search was to a different result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_attention.decoding.beam_loop import BeamLoop, extend, first_beams
from keras_attention.decoding.extensions import Beams, best_extensions
from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import (
    EndId,
    StepFunction,
    check_end,
    check_size,
    checked_step,
    is_end,
    repeat_rows,
)
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class SearchMargin:
    """Runs a beam search and returns its margin instead of its hypotheses.

    The margin of a row is the smallest score difference that decided its result: at each step
    between the worst hypothesis kept and the best one dropped, and at the end between adjacent
    results. Score errors below half the margin cannot change the result.

    The search tracks one extra hypothesis, which is discarded after each step.

    Args:
        kept: Number of hypotheses the search keeps, K; 1 for greedy search.
        length_penalty: Exponent of the length normalization.
    """

    kept: int = 1
    length_penalty: float = 0.0

    @property
    def width(self) -> int:
        """Number of hypotheses per row, including the extra one."""
        return self.kept + 1

    def __call__(
        self,
        step: StepFunction,
        state: Nest,
        start_tokens: Tensor,
        *,
        end_id: EndId,
        max_length: int,
        memory: tuple[Nest, ...] = (),
        **_: Any,
    ) -> Tensor:
        """The margin (B,), infinite where there was no alternative; see `beam_search`."""
        check_size("max_length", max_length)
        check_end(end_id)
        step, state = checked_step(step, state)
        ranking = Ranking(self.length_penalty, 0.0, None, end_id, imitate_tfa_lengths=False)
        is_kept = ops.arange(self.width) < self.kept
        rows, read = ops.shape(start_tokens)[0], repeat_rows(memory, self.width)

        def go_on(loop: BeamLoop, _: Tensor) -> Tensor:
            return ops.logical_not(ops.all(loop.ended[:, : self.kept]))

        def body(loop: BeamLoop, margin: Tensor) -> tuple[BeamLoop, Tensor]:
            log_probs, _, state = step(loop.tokens, loop.state, *read)
            lengths = ops.where(loop.ended, loop.lengths, loop.time + 1)
            beams = Beams(rows, loop.log_prob, loop.ended, lengths, None)
            best = best_extensions(beams, log_probs, ranking)
            scores = ranking.score(
                best.log_prob,
                ops.take_along_axis(lengths, best.parents, axis=1),
                is_end(best.tokens, end_id),
            )
            alive = best._replace(log_prob=ops.where(is_kept, best.log_prob, -float("inf")))
            after = extend(loop, log_probs, None, state, ranking, lambda *_: alive, rows)
            return after, ops.minimum(margin, _gaps(scores)[:, -1])

        start = first_beams(state, start_tokens, self.width, 1, max_length, None)
        none = ops.full((rows,), float("inf"), dtype="float32")
        end, margin = ops.while_loop(go_on, body, (start, none), maximum_iterations=max_length)
        scores = ranking.score(end.log_prob, end.lengths, end.ended)
        return ops.minimum(margin, ops.min(_gaps(scores), axis=1))


def _gaps(scores: Tensor) -> Tensor:
    """Differences between adjacent scores, infinite where the lower one is -inf."""
    lower = scores[:, 1:]
    return ops.where(lower > -float("inf"), scores[:, :-1] - lower, float("inf"))
