"""How close a beam search was to finding something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_attention.decoding.beam_loop import BeamLoop, extend, first_beams
from keras_attention.decoding.extensions import Beams, best_extensions
from keras_attention.decoding.ranking import Ranking
from keras_attention.decoding.types import StepFunction
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class SearchMargin:
    """The margin of a beam search, instead of that search.

    The margin of a row is the smallest difference of two scores on which its result hung: in each
    step of the worst hypothesis that was kept and the best that was not, at last of those that are
    neighbors in the result. Scores that are off by less than half of it find the same.

    It is the same search with one hypothesis more, which does not live to the next step.

    Args:
        kept: How many hypotheses the search keeps, K; 1 for greedy search.
        length_penalty: Exponent of its length normalization.
    """

    kept: int = 1
    length_penalty: float = 0.0

    @property
    def width(self) -> int:
        """Hypotheses for each row, as a model prepares for them."""
        return self.kept + 1

    def __call__(
        self,
        step: StepFunction,
        state: Nest,
        start_tokens: Tensor,
        *,
        end_id: int,
        max_length: int,
        **_: Any,
    ) -> Tensor:
        """The margin (B,) of each row, infinite where there was nothing else; see `beam_search`."""
        ranking = Ranking(self.length_penalty, 0.0, None, end_id, imitate_tfa_lengths=False)
        is_kept = ops.arange(self.width) < self.kept

        def go_on(loop: BeamLoop, _: Tensor) -> Tensor:
            return ops.logical_not(ops.all(loop.ended[:, : self.kept]))

        def body(loop: BeamLoop, margin: Tensor) -> tuple[BeamLoop, Tensor]:
            log_probs, _, state = step(loop.tokens, loop.state)
            lengths = ops.where(loop.ended, loop.lengths, loop.time + 1)
            beams = Beams(loop.log_prob, loop.ended, lengths, None)
            best = best_extensions(beams, log_probs, ranking)
            scores = ranking.score(
                best.log_prob,
                ops.take_along_axis(lengths, best.parents, axis=1),
                best.tokens == end_id,
            )
            alive = best._replace(log_prob=ops.where(is_kept, best.log_prob, -float("inf")))
            after = extend(loop, log_probs, None, state, ranking, lambda *_: alive)
            return after, ops.minimum(margin, _gaps(scores)[:, -1])

        start = first_beams(state, start_tokens, self.width, 1, max_length, None)
        none = ops.full((ops.shape(start_tokens)[0],), float("inf"), dtype="float32")
        end, margin = ops.while_loop(go_on, body, (start, none), maximum_iterations=max_length)
        scores = ranking.score(end.log_prob, end.lengths, end.ended)
        return ops.minimum(margin, ops.min(_gaps(scores), axis=1))


def _gaps(scores: Tensor) -> Tensor:
    """From each score to the next lower one, infinite where that is none."""
    lower = scores[:, 1:]
    return ops.where(lower > -float("inf"), scores[:, :-1] - lower, float("inf"))
