"""The score of a hypothesis: log-probability, length normalization and coverage penalty."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention.decoding.types import EndId
from keras_attention.types import Tensor

_NEVER_READ = 1e-6
"""Lower bound on the attention a position got, which keeps its logarithm finite."""


class Ranking(NamedTuple):
    """The score `s = log P / lp + cp` of a hypothesis; see `beam_search`.

    Attributes:
        length_penalty: Exponent of `lp`.
        coverage_penalty: Factor of `cp`; 0 for none.
        source_mask: Boolean (B * K, S), True at source tokens, for the coverage.
        end_id: The token that ends a hypothesis, or a tuple of them.
        imitate_tfa_lengths: Whether to leave out the end token in the step that writes it.
    """

    length_penalty: float | Tensor
    coverage_penalty: float | Tensor
    source_mask: Tensor | None
    end_id: EndId
    imitate_tfa_lengths: bool

    def coverage(self, weights: Tensor) -> Tensor:
        """`cp` (N,) from each hypothesis's attention weights summed over time (N, S)."""
        read = ops.log(ops.clip(weights, _NEVER_READ, 1.0))
        if self.source_mask is not None:
            read = ops.where(self.source_mask, read, 0.0)
        return self.coverage_penalty * ops.sum(read, axis=1)

    def score(self, log_prob: Tensor, lengths: Tensor, just_ended: Tensor) -> Tensor:
        """`log P / lp`; `just_ended` marks the hypotheses that ended in this step."""
        if self.imitate_tfa_lengths:
            lengths = lengths - ops.cast(just_ended, "int32")
        return log_prob / length_normalization(lengths, self.length_penalty)


def length_normalization(lengths: Tensor, length_penalty: float | Tensor) -> Tensor:
    """The divisor of a log-probability, `((5 + length) / 6) ** length_penalty`.

    Reference: Wu et al. 2016 (GNMT), equation 14.
    """
    return ops.power((5.0 + ops.cast(lengths, "float32")) / 6.0, length_penalty)
