from __future__ import annotations

import pytest

from training.hosts.cost import Step, report


def test_the_time_to_sum_gradients() -> None:
    """25 million weights are 100 MB; 8 Gb/s are 1,000 MB a second."""
    step = Step(weights=25_000_000, seconds=1.0)
    assert step.reduction(1, 8.0) == 0.0
    assert step.reduction(2, 8.0) == pytest.approx(2 * (0.05 + 50e-6))
    assert step.reduction(4, 8.0) == pytest.approx(6 * (0.025 + 50e-6))
    assert step.reduction(4, 80.0) == pytest.approx(6 * (0.0025 + 50e-6))


def test_how_much_faster_hosts_are() -> None:
    step = Step(weights=25_000_000, seconds=0.1001)  # as long as a sum over two hosts at 8 Gb/s
    assert step.speedup(1, 8.0) == 1.0
    assert step.speedup(2, 8.0) == pytest.approx(1.0)
    assert step.speedup(2, 8.0, batches=3) == pytest.approx(1.5)
    assert step.split_speedup(1, 8.0) == 1.0
    assert step.split_speedup(2, 8.0) == pytest.approx(2 / 3)


def test_more_batches_before_a_sum_help_until_the_network_is_no_longer_felt() -> None:
    step = Step(weights=43_900_000, seconds=0.25)
    gains = [step.speedup(8, 25.0, batches) for batches in (1, 2, 4, 8, 1000)]
    assert gains == sorted(gains)
    assert gains[-1] == pytest.approx(8, rel=1e-3)


def test_the_report_has_a_line_for_each_number_of_hosts() -> None:
    lines = report(Step(weights=43_900_000, seconds=0.25))
    assert "0.25 s" in lines[0]
    assert "43,900,000 gradients are 176 MB" in lines[0]
    assert "at 25, 100, 400 Gb/s" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["2", "4", "8", "16"]
    assert "1.38, 1.8, 1.94" in lines[1]
