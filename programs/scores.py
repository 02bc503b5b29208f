"""What programs write of the likelihood of given translations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class PairScore(NamedTuple):
    """The likelihood of a pair.

    Attributes:
        log_probability: That of the target given the source, in nats.
        tokens: The number of target tokens, including the end token.
    """

    log_probability: float
    tokens: int

    def __str__(self) -> str:
        per_token = self.log_probability / self.tokens
        return f"{self.log_probability:.6f}\t{self.tokens}\t{per_token:.6f}"


@dataclass(frozen=True)
class ScoreSummary:
    """The likelihood of many pairs; summaries can be added.

    Attributes:
        pairs: The number of pairs.
        tokens: The number of target tokens, including end tokens.
        log_probability: The sum over all pairs, in nats.
    """

    pairs: int = 0
    tokens: int = 0
    log_probability: float = 0.0

    @classmethod
    def of(cls, scores: Iterable[PairScore]) -> ScoreSummary:
        """Summarize scores."""
        scores = list(scores)
        total = math.fsum(score.log_probability for score in scores)
        return cls(len(scores), sum(score.tokens for score in scores), total)

    def __add__(self, other: ScoreSummary) -> ScoreSummary:
        return ScoreSummary(
            self.pairs + other.pairs,
            self.tokens + other.tokens,
            self.log_probability + other.log_probability,
        )

    @property
    def perplexity(self) -> float:
        """`exp(-log_probability / tokens)`, of at least one pair."""
        mean = -self.log_probability / self.tokens
        return math.exp(mean) if mean < 700 else math.inf

    def __str__(self) -> str:
        return f"{self.pairs:,} pairs, {self.tokens:,} tokens, perplexity {self.perplexity:.3f}"
