from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.metrics import ExactMatch, TokenErrorRate
from training.evaluation.systems import SystemComparison, compare_systems

KNOWN = [[f"{n} {n}"] for n in range(200)]
RIGHT = [known for (known,) in KNOWN]


def outputs(wrong: int) -> list[str]:
    """Outputs with one wrong token each in the first ones."""
    return [f"{n} x" if n < wrong else text for n, text in enumerate(RIGHT)]


def compared(metric: ExactMatch | TokenErrorRate) -> SystemComparison:
    systems = {"old": [outputs(60), outputs(40)], "new": [outputs(20)], "same": [outputs(52)]}
    return compare_systems(metric, systems, KNOWN, resamples=400)


def test_seeds_are_averaged() -> None:
    old, new, same = compared(ExactMatch()).rows
    assert (old.value.value, old.seeds, old.gain) == (0.75, [0.7, 0.8], None)
    assert (new.value.value, new.seeds, new.verdict) == (0.9, [0.9], "better")
    assert same.gain is not None
    assert same.gain.value == pytest.approx(-0.01)
    assert same.verdict == "no difference"


def test_fewer_errors_are_a_gain() -> None:
    old, new, _ = compared(TokenErrorRate()).rows
    assert old.value.value == pytest.approx(0.125)
    assert new.gain is not None
    assert new.gain.value == pytest.approx(0.075)
    assert 0 < new.gain.low < new.gain.value < new.gain.high
    assert new.verdict == "better"


def test_an_interval_is_of_the_mean_of_seeds_on_the_same_sources() -> None:
    """Systems whose errors are the same differ by 0 in every resample."""
    metric = ExactMatch()
    found = compare_systems(metric, {"a": [outputs(30)], "b": [outputs(30)] * 3}, KNOWN)
    gain = found.rows[1].gain
    assert gain is not None
    assert (gain.low, gain.high) == (0, 0)
    assert found.rows[1].verdict == "no difference"
    times = np.random.default_rng(1).multinomial(200, np.full(200, 1 / 200), size=1000)
    drawn = 1 - times[:, :30].sum(axis=1) / 200
    assert found.rows[0].value.low == pytest.approx(np.percentile(drawn, 2.5))


def test_a_comparison_prints_itself() -> None:
    head, names, *rows = str(compared(ExactMatch())).splitlines()
    assert head == "200 sources; 95 % intervals of 400 paired resamples"
    assert names.split() == ["exact_match", "seeds", "gain"]
    assert [row.split()[:2] for row in rows] == [
        ["old", "75.00%"],
        ["new", "90.00%"],
        ["same", "74.00%"],
    ]
    assert "70.00%, 80.00%" in rows[0]
    assert rows[1].endswith("better")
