"""Before JAX starts, make the CPU look like four devices; start trainings in processes."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import pytest

from tests.hosts.toy import TOY, TRAIN, Launch, Training

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Start a training; with several processes, by `training.launch`, here or on Ray."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.getbasetemp() / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }
    logs, numbers = tmp_path_factory.mktemp("logs"), count()

    def start(out: Path, processes: int, *overrides: str, ray: bool = False) -> Training:
        launched = [sys.executable, "-m", "training.launch", "--processes", str(processes)]
        command = TRAIN if processes == 1 else [*launched, *(["--ray=local"] * ray), "--"]
        arguments = [*command, *TOY, *overrides, "--out", str(out)]
        return Training.start(arguments, logs / str(next(numbers)), cache)

    return start


@pytest.fixture(scope="session")
def one(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that one process has trained."""
    run = tmp_path_factory.mktemp("runs") / "one"
    said, _ = launch(run, 1).ended()
    assert "What more hosts bring: a step takes" in said
    return run


@pytest.fixture(scope="session")
def both(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that two processes have trained."""
    run = tmp_path_factory.mktemp("runs") / "both"
    said, _ = launch(run, 2).ended()
    assert said.count("Epoch 1/3") == 1
    return run
