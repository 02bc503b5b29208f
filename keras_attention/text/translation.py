"""The results of a translator: translations of texts, and scores of given translations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Translation:
    """One hypothesis for one text.

    Attributes:
        text: The translation.
        score: `log-probability / ((5 + length) / 6) ** length_penalty`, in nats.
        tokens: Readable target tokens, ending with the end token.
        source_tokens: Source tokens, likewise.
        attention: Weights (T, S), one row per target token, or None without attention.
        is_complete: Whether the end token was reached within the maximum length.
        others: The other hypotheses of a beam, best first.
    """

    text: str
    score: float
    tokens: list[str]
    source_tokens: list[str]
    attention: np.ndarray | None
    is_complete: bool
    others: list[Translation] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ScoredPair:
    """A model's score of a given translation.

    Attributes:
        log_probability: `log p(target | source)` in nats, including the end token.
        log_probabilities: (T,), the same for each target token given its predecessors.
        tokens: Readable target tokens, ending with the end token.
        source_tokens: Source tokens, likewise.
        attention: Weights (T, S), one row per target token, or None without attention.
    """

    log_probability: float
    log_probabilities: np.ndarray
    tokens: list[str]
    source_tokens: list[str]
    attention: np.ndarray | None
