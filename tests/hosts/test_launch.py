"""The real entry point, at toy size, in two processes: what they learn, how they end and resume."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.hosts.toy import (
    TOY,
    TRAIN,
    Launch,
    Training,
    assert_learned_alike,
    epochs,
    processes_of,
    until,
)


def test_two_processes_learn_what_one_learns(one: Path, both: Path) -> None:
    """Dropout, average, decay, clipping; batches of 33 rows, and a last validation batch of 3."""
    assert_learned_alike(both, one)


def test_a_run_of_two_processes_is_evaluated_and_exported_on_tensorflow(
    both: Path, tmp_path: Path
) -> None:
    variables = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    for arguments in (
        ("training.evaluate", both, "--pairs", 40),
        ("export", both, tmp_path / "out"),
        ("export.verify", tmp_path / "out"),
    ):
        command = [sys.executable, "-m", *map(str, arguments)]
        subprocess.run(command, check=True, env=variables, stdout=subprocess.DEVNULL)


def test_a_training_of_which_a_process_was_killed(
    launch: Launch, one: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    training = launch(run, 2)
    until(lambda: epochs(run) == 1)
    os.kill(processes_of(training)[1], signal.SIGKILL)
    _, errors = training.ended(128 + signal.SIGKILL)
    assert "Process 1 has ended with SIGKILL, and so the others, too." in errors
    assert epochs(run) < 3
    assert "Resuming" in launch(run, 1).ended()[0]
    assert_learned_alike(run, one)


def test_an_error_ends_all_and_is_said_once(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("of somebody", encoding="utf-8")
    _, errors = launch(tmp_path, 2).ended(2)
    assert errors.count("is not a run directory, but contains other") == 1


def test_slurm_starts_processes_of_which_only_the_first_writes(tmp_path: Path) -> None:
    def start(index: int) -> Training:
        out = tmp_path / f"run{index}"
        steps = ("training.steps=10", "training.steps_per_epoch=10")
        variables = {
            "SLURM_JOB_ID": str(job),
            "SLURM_LOCALID": str(index),
            "SLURM_NTASKS": "2",
            "SLURM_PROCID": str(index),
            "SLURM_STEP_NODELIST": "localhost",
        }
        command = [*TRAIN, *TOY, *steps, "--out", str(out)]
        return Training.start(command, tmp_path / f"logs{index}", variables)

    job = random.SystemRandom().randrange(4096)  # from which JAX makes a port
    first, second = start(0), start(1)
    assert "Finished" in first.ended()[0]
    assert "Epoch" not in second.ended()[0]
    assert epochs(tmp_path / "run0") == 1
    assert not (tmp_path / "run1").exists()


def test_processes_that_were_asked_for_different_things(tmp_path: Path) -> None:
    from training.hosts.local import environment, free_port

    address = f"localhost:{free_port()}"
    trainings = [
        Training.start(
            [*TRAIN, *TOY, f"training.seed={seed}", "--out", str(tmp_path / "run")],
            tmp_path / f"logs{index}",
            environment(index, 2, address),
        )
        for index, seed in enumerate((1, 2))
    ]
    errors = [training.ended(2)[1] for training in trainings]
    different = "training.seed is 1 in the run, 2 requested"
    assert "error: Process 1 failed: Another configuration than in the first process" in errors[0]
    assert different in errors[0]
    assert different in errors[1]
