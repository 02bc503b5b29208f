from __future__ import annotations

import time

import pytest

from programs.progress import Progress


class Clock:
    """A clock that is set by hand, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_what_is_done_in_ten_seconds_is_not_told(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress()
    clock.now += 9.9
    progress.add(1000)
    progress.end()
    assert capsys.readouterr() == ("", "")


def test_every_ten_seconds_the_lines_are_told(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress()
    for _ in range(5):
        clock.now += 6
        progress.add(600)
    progress.end()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "1,200 lines, 100 a second",
        "2,400 lines, 100 a second",
        "3,000 lines, 100 a second",
    ]
