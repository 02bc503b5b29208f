"""Trainings at toy size, each in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOY = (
    "--recipe",
    "dates",
    "data.dev_pairs=36",
    "data.held_out_pairs=41",
    "model.embedding_size=16",
    "model.encoder_units=16",
    "model.decoder_units=16",
    "model.attention_units=8",
    "training.batch_size=33",
    "training.max_shapes=2",
    "training.steps=90",
    "training.steps_per_epoch=30",
    "training.learning_rate=0.03",
    "training.warmup_steps=10",
    "training.average_decay=0.9",
    "training.weight_decay=0.01",
    "training.dtype=float32",
)
TRAIN = [sys.executable, "-m", "training.train"]


@dataclass
class Training:
    """A training that runs; what it says goes to files, as nobody may read a pipe meanwhile."""

    process: subprocess.Popen[bytes]
    said: Path
    complained: Path

    @classmethod
    def start(cls, command: Sequence[str], logs: Path, variables: Mapping[str, str]) -> Training:
        environment = {**os.environ, "KERAS_BACKEND": "jax", **variables}
        environment.pop("XLA_FLAGS", None)
        logs.mkdir()
        files = logs / "out", logs / "errors"
        with files[0].open("wb") as out, files[1].open("wb") as errors:
            process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        return cls(process, *files)

    def ended(self, status: int = 0) -> tuple[str, str]:
        """Wait for its end with this status; return what it said, and its errors."""
        try:
            self.process.wait(timeout=300)
        finally:
            self.process.kill()
            self.process.wait()
        said, complained = self.said.read_text(), self.complained.read_text()
        assert self.process.returncode == status, said + complained
        return said, complained


Launch = Callable[..., Training]


def metrics(run: Path) -> list[dict[str, Any]]:
    file = run / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def epochs(run: Path) -> int:
    return len(metrics(run))


def assert_learned_alike(run: Path, other: Path) -> None:
    assert epochs(run) == epochs(other) == 3
    for line, expected in zip(metrics(run), metrics(other), strict=True):
        for name in ("loss", "val_loss"):
            assert line[name] == pytest.approx(expected[name], abs=1e-5), name


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200.0
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of(training: Training) -> list[int]:
    """The processes that a launcher has started, in the order in which it started them."""
    return _children(training.process.pid)


def descendants(process: int, command: str) -> list[int]:
    """The processes below a process whose command line begins like this."""
    found = []
    for child in _children(process):
        line = Path(f"/proc/{child}/cmdline").read_text()
        found += [child] * line.startswith(command) + descendants(child, command)
    return found


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return sorted(int(child) for task in tasks for child in task.read_text().split())
