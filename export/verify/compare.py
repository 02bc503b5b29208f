"""What an artefact gave against what the Keras model gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from export.verify.runner import Arrays

MARGIN = "margin"
"""By how much an answer was decided, beside the Keras model's answers: see `SearchMargin`."""
TOLERANCE = 1e-4
TIE = 2 * TOLERANCE
"""Scores that are off by `TOLERANCE` find something else where the margin is less than this."""
MOST_BLEU_LOST, MOST_BLEU_LOST_STRICTLY = 1.0, 0.3
_EXACT = ("ids", "lengths", "text")


@dataclass(frozen=True)
class Comparison:
    """How well answers agree.

    Attributes:
        inputs: How many there were.
        equal: For how many all ids and lengths (or texts) of all hypotheses are equal.
        tied: For how many others the Keras model's own margin was less than `TIE`: rounding decides
            what is found.
        score_difference: The largest of all scores, but of tied ones.
        attention_difference: The largest of all weights, but of tied ones; None without attention.
        problem: What makes them incomparable, or None.
        may_lose: How much BLEU may be lost with weights in fewer bits, of which ids need not agree;
            None where they have to.
        bleu: Of the best hypotheses, beside what people translated; None where that is not known.
        bleu_lost: How much more the Keras model has.
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

    @property
    def differing(self) -> int:
        """For how many inputs something else was found, and not by rounding."""
        return self.inputs - self.equal - self.tied

    @property
    def passed(self) -> bool:
        """Whether all is equal or tied, and numbers differ by no more than `TOLERANCE`.

        With weights in fewer bits: whether no more BLEU is lost than may be.
        """
        if self.may_lose is not None:
            return self.problem is None and (self.bleu_lost or 0.0) <= self.may_lose
        differences = (self.score_difference, self.attention_difference)
        return (
            self.problem is None
            and self.differing == 0
            and all(x is None or x <= TOLERANCE for x in differences)
        )


def compare(expected: Mapping[str, Arrays], found: Mapping[str, Arrays]) -> Comparison:
    """Compare the answers to all batches.

    Args:
        expected: Of each batch, the outputs by name, first axis B.
        found: The same of an artefact.
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
        score_difference=_largest_difference("scores", pairs, tied),
        attention_difference=_largest_difference("attention", pairs, tied),
    )


def _mismatch(expected: Arrays, found: Arrays) -> str | None:
    for name, array in expected.items():
        if name == MARGIN:
            continue
        if name not in found:
            return f"it has no output `{name}`"
        if found[name].shape != array.shape:
            return f"output `{name}` has shape {found[name].shape}, expected {array.shape}"
        if found[name].dtype.kind != array.dtype.kind:
            return f"output `{name}` has type {found[name].dtype}, expected {array.dtype}"
    return None


def _equal_rows(expected: Arrays, found: Arrays) -> np.ndarray:
    names = [name for name in _EXACT if name in expected]
    equal = [(expected[n] == found[n]).reshape(len(expected[n]), -1).all(axis=1) for n in names]
    return np.logical_and.reduce(equal)


def _largest_difference(
    name: str, pairs: Sequence[tuple[Arrays, Arrays]], tied: Sequence[np.ndarray]
) -> float | None:
    """Equal infinities do not differ; a NaN differs infinitely."""
    differences = [
        _difference(expected[name][~rows], found[name][~rows])
        for (expected, found), rows in zip(pairs, tied, strict=True)
        if name in expected
    ]
    return max(differences, default=None)


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        difference = np.abs(expected.astype("float64") - found.astype("float64"))
    difference = np.where(expected == found, 0.0, difference)
    return float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0.0))
