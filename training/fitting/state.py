"""Where a training stands, on disk: what a killed one resumes from."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from keras_attention.text.runs import RunDirectory
from training.program import RunError


@dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
        epoch: Epochs done.
        file: The checkpoint's name; empty before the first one.
        best: The best validation value so far.
        best_epoch: The epoch of the model that is kept, of equally good ones the last.
        better_epoch: The last epoch that was better than all before.
        is_finished: Whether nothing is left to train.
    """

    epoch: int = 0
    file: str = ""
    best: float | None = None
    best_epoch: int = 0
    better_epoch: int = 0
    is_finished: bool = False

    @classmethod
    def of(cls, run: RunDirectory) -> TrainingState:
        """The state that a run directory holds; a new one if it holds none."""
        file = run.state_file
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else cls()

    def write(self, run: RunDirectory) -> None:
        """Put the state on disk."""
        write_whole(run.state_file, json.dumps(asdict(self)))


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Make and hold a run directory while it is looked at and written to.

    A directory that was made here and stays empty is removed again.

    Raises:
        RunError: If another process holds it, or it is a file.
    """
    is_made_here = not run.path.exists()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{run.path} is not a directory. Choose another --out.") from error
    folder = os.open(run.path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{run.path} is in use: another training writes to it.") from error
        yield
    finally:
        if is_made_here and not any(run.path.iterdir()):
            run.path.rmdir()
        os.close(folder)


def sweep(run: RunDirectory, checkpoint: str) -> None:
    """Remove partial files, and all checkpoints but the one of that name."""
    names = ("model.keras", "metrics.jsonl", "checkpoints/state.json")
    partial = [_partial(run.path / name) for name in names]
    checkpoints = {*run.checkpoints.glob("epoch-*.keras")} - {run.checkpoints / checkpoint}
    for file in (*partial, *run.checkpoints.glob("partial-epoch-*.keras"), *checkpoints):
        file.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whenever the program is killed."""
    partial = _partial(path)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def save_whole(model: keras.Model, path: Path) -> None:
    """Save a model likewise."""
    partial = _partial(path)
    model.save(partial)
    partial.replace(path)


def _partial(path: Path) -> Path:
    return path.with_name("partial-" + path.name)
