"""What a hypothesis is worth: its log-probability, its length, and what it has read."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from keras_attention.types import Tensor

_NEVER_READ = 1e-6
"""What a place counts as whose weights are all zero, so that its logarithm is a number."""


class Ranking(NamedTuple):
    """The score `s = log P / lp + cp` of a hypothesis; see `beam_search`.

    Attributes:
        length_penalty: Exponent of `lp`.
        coverage_penalty: Factor of `cp`; 0 for none.
        source_mask: Boolean (B * K, S), True where the source has a token, for the coverage.
        end_id: The token that ends a hypothesis.
        imitate_tfa_lengths: Whether the end token does not count in the step that writes it.
    """

    length_penalty: float | Tensor
    coverage_penalty: float | Tensor
    source_mask: Tensor | None
    end_id: int
    imitate_tfa_lengths: bool

    def coverage(self, weights: Tensor) -> Tensor:
        """`cp` (N,) of hypotheses by the sums of their weights over time (N, S)."""
        read = ops.log(ops.clip(weights, _NEVER_READ, 1.0))
        if self.source_mask is not None:
            read = ops.where(self.source_mask, read, 0.0)
        return self.coverage_penalty * ops.sum(read, axis=1)

    def score(self, log_prob: Tensor, lengths: Tensor, just_ended: Tensor) -> Tensor:
        """`log P / lp` of hypotheses, some of which ended in this very step."""
        if self.imitate_tfa_lengths:
            lengths = lengths - ops.cast(just_ended, "int32")
        return log_prob / length_normalization(lengths, self.length_penalty)


def length_normalization(lengths: Tensor, length_penalty: float | Tensor) -> Tensor:
    """What a log-probability is divided by: `((5 + length) / 6) ** length_penalty`.

    Reference: Wu et al. 2016 (GNMT), equation 14.
    """
    return ops.power((5.0 + ops.cast(lengths, "float32")) / 6.0, length_penalty)
