"""Compare the outputs of an artefact with those of the Keras model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_attention.export.checking import largest_difference
from keras_attention.export.runtimes.runner import Arrays

MARGIN = "margin"
"""The margin by which the Keras model's output was decided; see `SearchMargin`."""
TOLERANCE = 1e-4
TIE = 2 * TOLERANCE
"""If the margin is less than this, scores within `TOLERANCE` can give another output."""
_EXACT = ("ids", "lengths", "text")
_LOG_PROBABILITIES = "log_probabilities"


class Limits(NamedTuple):
    """What quantized weights may lose.

    Attributes:
        bleu: The maximum loss of BLEU.
        nats: The maximum of `Comparison.nats_off`.
    """

    bleu: float
    nats: float


LIMITS, STRICT_LIMITS = Limits(1.0, 0.05), Limits(0.3, 0.02)


@dataclass(frozen=True)
class Comparison:
    """The agreement between two sets of outputs.

    Attributes:
        inputs: The number of inputs.
        equal: The number of inputs for which all ids and lengths (or texts) of all hypotheses are
            equal; for `score`, for which all log-probabilities are within `TOLERANCE`.
        tied: The number of other inputs for which the margin of the Keras model is less than `TIE`,
            so that rounding decides.
        score_difference: The largest difference of scores, except for tied inputs; for `score`, of
            the log-probabilities of tokens.
        attention_difference: The largest difference of weights, except for tied inputs; None
            without attention.
        problem: The reason why the outputs cannot be compared, or None.
        may_lose: For quantized weights, whose outputs need not be equal: the maximum loss of BLEU,
            for `score` the maximum of `nats_off`; None if outputs have to be equal.
        bleu: BLEU of the best hypotheses against human translations; None if there are none.
        bleu_lost: BLEU of the Keras model minus `bleu`.
        nats_off: For `score`: the difference of a pair's log-probability per token from that of the
            Keras model, in nats, as the mean of its absolute value over all pairs, in which errors
            of opposite sign do not cancel; None for others.
    """

    inputs: int
    equal: int = 0
    tied: int = 0
    score_difference: float | None = None
    attention_difference: float | None = None
    problem: str | None = None
    may_lose: float | None = None
    bleu: float | None = None
    bleu_lost: float | None = None
    nats_off: float | None = None

    @property
    def lost(self) -> float:
        """What `may_lose` limits."""
        return (self.bleu_lost if self.nats_off is None else self.nats_off) or 0.0

    @property
    def differing(self) -> int:
        """The number of inputs that are neither equal nor tied."""
        return self.inputs - self.equal - self.tied

    @property
    def passed(self) -> bool:
        """Whether all inputs are equal or tied, and numbers are within `TOLERANCE`.

        For quantized weights: whether they lose at most `may_lose`.
        """
        if self.may_lose is not None:
            return self.problem is None and self.lost <= self.may_lose
        differences = (self.score_difference, self.attention_difference)
        return (
            self.problem is None
            and self.differing == 0
            and all(x is None or x <= TOLERANCE for x in differences)
        )


def compare(expected: Mapping[str, Arrays], found: Mapping[str, Arrays]) -> Comparison:
    """Compare the outputs for all batches.

    Args:
        expected: For each batch, the outputs of the Keras model by name, with first axis B.
        found: The outputs of the artefact, in the same form.
    """
    inputs = sum(len(next(iter(batch.values()))) for batch in expected.values())
    for number, batch in expected.items():
        problem = _mismatch(batch, found.get(number, {}))
        if problem:
            return Comparison(inputs, problem=problem)
    pairs = [(batch, found[number]) for number, batch in expected.items()]
    equal = [_equal_rows(*pair) for pair in pairs]
    tied = [
        ~same & (batch.get(MARGIN, np.inf) < TIE)
        for same, (batch, _) in zip(equal, pairs, strict=True)
    ]
    return Comparison(
        inputs,
        equal=sum(int(rows.sum()) for rows in equal),
        tied=sum(int(rows.sum()) for rows in tied),
        score_difference=_largest_difference(("scores", _LOG_PROBABILITIES), pairs, tied),
        attention_difference=_largest_difference(("attention",), pairs, tied),
    )


def _mismatch(expected: Arrays, found: Arrays) -> str | None:
    for name, array in expected.items():
        if name == MARGIN:
            continue
        if name not in found:
            return f"has no output `{name}`"
        if found[name].shape != array.shape:
            return f"has output `{name}` of shape {found[name].shape}, expected {array.shape}"
        if found[name].dtype.kind != array.dtype.kind:
            return f"has output `{name}` of type {found[name].dtype}, expected {array.dtype}"
    return None


def _equal_rows(expected: Arrays, found: Arrays) -> np.ndarray:
    equal = [expected[name] == found[name] for name in _EXACT if name in expected]
    if _LOG_PROBABILITIES in expected:
        exact, other = (arrays[_LOG_PROBABILITIES] for arrays in (expected, found))
        equal.append(np.abs(exact - other) <= TOLERANCE)
    return np.logical_and.reduce([x.reshape(len(x), -1).all(axis=1) for x in equal])


def _largest_difference(
    names: Sequence[str], pairs: Sequence[tuple[Arrays, Arrays]], tied: Sequence[np.ndarray]
) -> float | None:
    """Return the largest difference; that of equal infinities is 0, that of a NaN infinite."""
    differences = [
        largest_difference(expected[name][~rows], found[name][~rows])
        for (expected, found), rows in zip(pairs, tied, strict=True)
        for name in names
        if name in expected
    ]
    return max(differences, default=None)
