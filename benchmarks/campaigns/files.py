"""Damaged and hostile files of runs and exports.

Each is read by what the programs read it with, in this process, and some by the programs. A file is
either taken or refused, within a second of being opened, by one line that names it; nothing in it
is run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.campaigns import hostile
from benchmarks.campaigns.journal import Job, Trial

_FILES, _BY_PROGRAMS = 500, 50
_SECONDS, _LONGEST, _PATIENCE = 1.0, 1000, 300.0
OF_RUN = (
    *("config.yaml", "checkpoints/state.json", "environment.json", "metrics.jsonl"),
    *("source.model", "target.model", "model.keras", "held_out.tsv"),
)
OF_EXPORT = ("config.json", "examples.json", "reference.npz", "source.model")


def trials(job: Job) -> Iterator[Trial]:
    """Yield a trial for each file, and for each call of a program."""
    kinds = [(job.run, name) for name in OF_RUN] + [(job.out, name) for name in OF_EXPORT]
    kinds += [(job.out, name) for name in _artefacts(job.out)]
    for i in range(job.count(_FILES)):
        folder, name = kinds[i % len(kinds)]
        yield Trial(f"read {name} {i}", partial(_read, job, folder, name, i))
    for i in range(job.count(_BY_PROGRAMS)):
        folder, name = kinds[i % len(kinds)]
        yield Trial(f"program {name} {i}", partial(_called, job, folder, name, i))


def _artefacts(out: Path) -> list[str]:
    from export.verify.inputs import read_config

    files = [file for kind in read_config(out)["artefacts"].values() for file in kind]
    return [f"{x}/saved_model.pb" if (out / x).is_dir() else x for x in files]


def _read(job: Job, folder: Path, name: str, number: int) -> Iterator[str]:
    copy, way = _damaged(job, folder, name, f"read {number}")
    began = time.perf_counter()
    try:
        reader(folder == job.run, name)(copy)
        refusal = ""
    except (OSError, RuntimeError, ValueError) as error:
        refusal = str(error)
        if time.perf_counter() - began > _SECONDS:
            yield f"{way}: refused after {time.perf_counter() - began:.1f} s"
    if refusal and Path(name).name not in refusal and str(copy) not in refusal:
        yield f"{way}: the message does not name the file: {refusal[:_LONGEST]}"
    if len(refusal) > _LONGEST or "\n" in refusal.strip():
        yield f"{way}: more than a line: {refusal[:_LONGEST]}"
    yield from _ran(job, way)


def reader(is_run: bool, name: str) -> Callable[[Path], Any]:
    """Return the function by which programs read a file of a run or an export."""
    from export.verify.inputs import read_examples, read_reference, read_tokenizer
    from keras_attention import RunDirectory, stored

    if is_run:
        if name == "model.keras":
            return lambda run: RunDirectory(run).model()
        if name.endswith(".model"):
            return lambda run: RunDirectory(run).tokenizers()
        if name == "held_out.tsv":
            return lambda run: RunDirectory(run).held_out()
        return stored.check_run
    if name == "config.json":
        return stored.check_export
    if name == "examples.json":
        return lambda out: read_examples(out / name)
    if name == "reference.npz":
        return lambda out: read_reference(out / name)
    if name.endswith(".model"):
        return lambda out: read_tokenizer(out / name)
    return lambda out: _inspect(out, name)


def _inspect(out: Path, name: str) -> None:
    """Inspect an artefact as the program that verifies it does, which prints its name beside."""
    from export.verify.artefacts import RUNNERS
    from keras_attention.export.inspection.before import inspect_before

    formats = {"onnx": "ONNX Runtime", "tflite": "LiteRT", "saved_model": "TensorFlow"}
    program = RUNNERS[formats[Path(name).parts[0]]]
    try:
        inspect_before(program, out / name.removesuffix("/saved_model.pb"), of_runs=True)
    except RuntimeError as error:
        raise RuntimeError(f"{name}: {error}") from error


def _called(job: Job, folder: Path, name: str, number: int) -> Iterator[str]:
    copy, way = _damaged(job, folder, name, f"program {number}")
    if folder == job.out and name != "config.json":
        _keep_one_artefact(copy, name)
    program = "training.translate" if folder == job.run else "export.verify"
    done = subprocess.run(
        [sys.executable, "-m", program, str(copy)],
        input="3 May 1979\n",
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    last = done.stderr.strip().rpartition("\n")[2]
    if done.returncode < 0 or "Traceback" in done.stderr:
        yield f"{way}: status {done.returncode}: {last}"
    if done.returncode and "error: " not in done.stderr:
        yield f"{way}: status {done.returncode} without an error: {last}"
    yield from _ran(job, way)


def _damaged(job: Job, folder: Path, name: str, number: str) -> tuple[Path, str]:
    """Return a copy of a run or export in which one file is damaged, and how it is."""
    copy = job.work / "files" / folder.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    left_out = shutil.ignore_patterns("logs", "*.png", ".trained")
    shutil.copytree(folder, copy, ignore=left_out, copy_function=os.link)
    way = hostile.damage(copy / name, random.Random(f"{job.seed} {number}"), _canary(job))
    return copy, way


def _keep_one_artefact(out: Path, name: str) -> None:
    """Let the configuration of an export name one artefact, the damaged one if it is one."""
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    artefact = name.removesuffix("/saved_model.pb")
    kind = Path(name).parts[0]
    known = kind in config["artefacts"]
    config["artefacts"] = {kind: [artefact]} if known else {"onnx": ["onnx/greedy.onnx"]}
    path.unlink()  # it is a link to the file of the export
    path.write_text(json.dumps(config), encoding="utf-8")


def _ran(job: Job, way: str) -> Iterator[str]:
    if _canary(job).exists():
        _canary(job).unlink()
        yield f"{way}: something of the file was run"


def _canary(job: Job) -> Path:
    return job.work / "canary"
