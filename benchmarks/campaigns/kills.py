"""Trainings killed at each change of their run directory, and at random moments.

The same command is given again; the run must end as one that was never killed: the same files,
metrics and weights, to the last bit.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import h5py

from benchmarks.campaigns.journal import Job, Trial

_RANDOM = 20
_HOOK = Path(__file__).with_name("hook")
_PATIENCE = 900.0
_SMALL = [
    *(f"model.{name}_units=16" for name in ("encoder", "attention")),
    *("model.embedding_size=16", "model.decoder_units=32", "data.dev_pairs=8"),
    *("data.held_out_pairs=8", "training.batch_size=8"),
    *("training.dtype=float32", "training.jit_compile=false"),
]
SIZES = {
    "writes": [*_SMALL, "training.steps=4", "training.steps_per_epoch=2"],
    "moments": [*_SMALL, "model.dropout=0.1", "training.steps=90", "training.steps_per_epoch=15"],
}


def trials(job: Job) -> Iterator[Trial]:
    """Yield a trial for each change of a small run, and for random moments of a longer one."""
    work = job.work / "kills"
    log = work / "changes"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _train(work / "logged", "writes", KILL_IN=str(work / "logged"), KILL_AT="0", KILL_LOG=str(log))
    base = {size: _Uncut(work / size, size) for size in SIZES}
    for line in log.read_text(encoding="utf-8").splitlines()[:: round(1 / min(job.scale, 1.0))]:
        at = line.split()[0]
        yield Trial(line, partial(_killed_at, work / f"at-{at}", at, base["writes"]))
    chance = random.Random(job.seed)
    for i in range(job.count(_RANDOM)):
        share = chance.uniform(0.02, 0.98)
        yield Trial(
            f"moment {i}",
            partial(_killed_after, work / f"after-{i}", share, base["moments"]),
        )


class _Uncut:
    """The run that is not killed, made when it is first needed."""

    def __init__(self, out: Path, size: str) -> None:
        self.out, self.size = out, size

    @cached_property
    def result(self) -> tuple[dict[str, Any], float]:
        """What the run ends with, and the seconds that it takes."""
        began = time.perf_counter()
        _train(self.out, self.size)
        return _result(self.out), time.perf_counter() - began


def _killed_at(out: Path, number: str, uncut: _Uncut) -> list[str]:
    status = _train(out, uncut.size, KILL_IN=str(out), KILL_AT=number)
    if status != -signal.SIGKILL:
        return [f"was not killed, but ended with status {status}"]
    return _ends_as(out, uncut)


def _killed_after(out: Path, share: float, uncut: _Uncut) -> list[str]:
    _, seconds = uncut.result
    with suppress(subprocess.TimeoutExpired):
        _train(out, uncut.size, patience=share * seconds)
    return _ends_as(out, uncut)


def _ends_as(out: Path, uncut: _Uncut) -> list[str]:
    """Give the command once more, and return how its result differs."""
    status = _train(out, uncut.size)
    if status != 0:
        last = out.with_suffix(".log").read_text(encoding="utf-8").strip().split("\n")[-1]
        return [f"the same command ended with status {status}: {last}"]
    found, (expected, _) = _result(out), uncut.result
    shutil.rmtree(out)
    return [f"other {name}" for name in expected if found[name] != expected[name]]


def _train(out: Path, size: str, patience: float = _PATIENCE, **hook: str) -> int:
    """Train, and return the exit status; the process is killed when patience is over."""
    command = [sys.executable, "-m", "training.train", "--recipe", "dates", *SIZES[size]]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    path = {"PYTHONPATH": str(_HOOK)} if hook else {}
    with out.with_suffix(".log").open("w") as log:
        return subprocess.run(
            [*command, "--out", str(out)],
            env={**os.environ, **quiet, **path, **hook},
            stdout=log,
            stderr=log,
            timeout=patience,
        ).returncode


def _result(out: Path) -> dict[str, Any]:
    rows = map(json.loads, (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    untimed = [{k: v for k, v in row.items() if "second" not in k} for row in rows]
    files = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    last = max((out / "checkpoints").glob("epoch-*.keras"))
    return {
        "metrics": untimed,
        "weights": _digest(out / "model.keras"),
        "checkpoint": _digest(last),
        "files": [file for file in files if not file.startswith("logs")],
    }


def _digest(path: Path) -> str:
    """Return the checksum of all weights in a `.keras` file."""
    digest = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + item[()].tobytes())

    with zipfile.ZipFile(path) as archive:
        stored = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(stored) as weights:
        weights.visititems(add)
    return digest.hexdigest()
