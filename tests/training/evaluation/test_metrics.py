"""Metrics, against typed-out numbers and a plain Levenshtein distance."""

from __future__ import annotations

import random
from typing import get_args

import numpy as np
import pytest

from keras_attention.stored.bounds import MetricName
from training.evaluation.bootstrap import resample
from training.evaluation.metrics import METRICS, ExactMatch, TokenErrorRate, chrf, columns, edits

OUTPUTS = ["T AH M EY T OW", "R EH D", "", "K AE T S"]
KNOWN = [["T AH M AA T OW", "T AH M EY T OW"], ["R IY D", "R EH D Z"], ["AH"], ["D AO G"]]


def distance(one: list[str], other: list[str]) -> int:
    """Wagner and Fischer 1974."""
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right)))
        rows.append(row)
    return rows[-1][-1]


def test_exact_match_is_with_any_reference() -> None:
    assert ExactMatch().counts(OUTPUTS, KNOWN).tolist() == [[1, 1], [0, 1], [0, 1], [0, 1]]
    assert METRICS["exact_match"](OUTPUTS, KNOWN) == 0.25


def test_token_errors_are_counted_against_the_nearest_reference() -> None:
    """Two references of "read" are one edit away: the longer one counts."""
    metric = TokenErrorRate()
    assert metric.counts(OUTPUTS, KNOWN).tolist() == [[0, 6], [1, 4], [1, 1], [4, 3]]
    assert metric(OUTPUTS, KNOWN) == pytest.approx(6 / 14)
    assert metric(["a b c d"], [["x"]]) == 4.0
    assert [name for name in METRICS if METRICS[name].is_error] == ["token_error_rate"]


def test_edits_are_levenshteins() -> None:
    pick = random.Random(3)
    pairs = [([*pick.choices("abc", k=pick.randint(0, 6))], ["b", "c", "a"]) for _ in range(200)]
    assert edits(pairs) == [distance(*pair) for pair in pairs]
    assert edits([([], [])]) == [0]
    assert edits([]) == []


def test_every_metric_that_can_be_asked_for_is_there() -> None:
    assert set(METRICS) == set(get_args(MetricName))
    assert METRICS["chrf"](OUTPUTS, KNOWN) == chrf(OUTPUTS, *columns(KNOWN)).score


def test_seeds_of_a_system_are_drawn_together() -> None:
    """Counts (seeds, sources, 2): each resample takes the same sources of every seed."""
    metric = TokenErrorRate()
    counts = np.stack([metric.counts(OUTPUTS, KNOWN), metric.counts(["T"] * 4, KNOWN)])
    drawn = resample(metric, counts, 7, np.random.default_rng(5))
    times = np.random.default_rng(5).multinomial(4, [0.25] * 4, size=7)
    for row, often in zip(drawn, times, strict=True):
        for seed in (0, 1):
            summed = (counts[seed] * often[:, None]).sum(axis=0)
            assert row[seed] == pytest.approx(summed[0] / summed[1])
