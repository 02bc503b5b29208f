"""Tasks in processes: all are done, a killed process is an error, and none outlives its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from programs.tasks import TasksError, done
from tests.hosts.toy import until
from tests.programs.chores import die, write


@pytest.mark.parametrize("workers", [1, 2])
def test_all_tasks_are_done(tmp_path: Path, workers: int) -> None:
    found = done(write, [(tmp_path, number) for number in range(5)], workers)
    assert sorted(found) == [0, 1, 4, 9, 16]
    processes = {file.read_text() for file in tmp_path.iterdir()}
    assert (str(os.getpid()) in processes) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="Received: -1"):
        list(done(write, [(tmp_path, -1), (tmp_path, 0)], workers))


def test_a_process_that_is_killed() -> None:
    with pytest.raises(TasksError, match="A process has been killed"):
        list(done(die, [1, 2], workers=2))


def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from programs.tasks import done; "
        "from tests.programs.chores import sleep; "
        "list(done(sleep, [Path(sys.argv[1])] * 2, workers=2))"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as parent:
        until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        parent.kill()
    processes = [Path("/proc", file.stem) for file in tmp_path.glob("*.pid")]
    until(lambda: not any(process.exists() for process in processes))
