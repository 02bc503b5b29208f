"""Ray starts the processes of a training again; `make test-hosts` runs this."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.hosts.toy import Launch, assert_learned_alike, descendants, epochs, until


def test_a_killed_worker_is_started_again(launch: Launch, one: Path, tmp_path: Path) -> None:
    run = tmp_path / "ray"
    training = launch(run, 2, ray=True)
    until(lambda: epochs(run) == 1)
    workers = descendants(training.process.pid, "ray::RayTrainWorker")
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert epochs(run) < 3  # so that it had to be started again; Ray may lose what is said
    training.ended()
    assert_learned_alike(run, one)


def test_what_a_user_has_to_mend_is_not_tried_again(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("of somebody", encoding="utf-8")
    said, errors = launch(tmp_path, 2, ray=True).ended(2)
    assert (said + errors).count("is not a run directory, but contains other") in (1, 2)
