"""Tasks on Ray, which does again what was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from programs.tasks import done
from tests.programs.chores import write
from tests.training.shards.conftest import Prepare, content, prepare, text

__all__ = ["prepare", "text"]


def die_once(task: tuple[Path, int]) -> int:
    """Kill this process at the first try of an odd task."""
    folder, number = task
    marker = folder / f"{number}.tried"
    if number % 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return write((folder, number))


def test_a_task_whose_process_was_killed_is_done_again(tmp_path: Path) -> None:
    found = done(die_once, [(tmp_path, number) for number in range(5)], ray="local")
    assert sorted(found) == [0, 1, 4, 9, 16]
    assert len(list(tmp_path.glob("*.tried"))) == 2


def test_an_error_of_a_task_on_ray(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Received: -1"):
        list(done(write, [(tmp_path, -1), (tmp_path, 0)], ray="local"))


def test_shards_are_the_same_on_ray(prepare: Prepare) -> None:
    several = ("--shard-pairs", "40", "--drop-repeated")
    assert prepare("here", *several) == 0
    assert prepare("there", *several, "--ray", "local") == 0
    assert content("here") == content("there")
