"""What a translator gives: hypotheses for texts, and scores of given translations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Translation:
    """One hypothesis for one text.

    Attributes:
        text: The translation.
        score: `log-probability / ((5 + length) / 6) ** length_penalty`, in nats.
        tokens: Target tokens as one reads them, the end token last.
        source_tokens: Source tokens, likewise.
        attention: Weights (T, S), a row for each target token, or None without attention.
        is_complete: Whether the end token was reached before the maximum length.
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
    """What a model says of a given translation.

    Attributes:
        log_probability: `log p(target | source)` in nats, the end token included.
        log_probabilities: (T,), the same for each target token given those before it.
        tokens: Target tokens as one reads them, the end token last.
        source_tokens: Source tokens, likewise.
        attention: Weights (T, S), a row for each target token, or None without attention.
    """

    log_probability: float
    log_probabilities: np.ndarray
    tokens: list[str]
    source_tokens: list[str]
    attention: np.ndarray | None
