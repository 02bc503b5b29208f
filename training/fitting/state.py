"""The state of a training on disk, from which an interrupted training resumes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from keras_attention.files import remains, remove, replacing, write
from keras_attention.stored import Progress, read_stored
from keras_attention.text.runs import RunDirectory
from training.program import RunError

_OF_CHECKPOINTS = ("state.json", "epoch-*.keras")


@dataclass
class TrainingState(Progress):
    """The state of a training; see `stored.Progress`."""

    @classmethod
    def of(cls, run: RunDirectory) -> TrainingState:
        """Return the state in a run directory, or the initial state if there is none."""
        file = run.state_file
        return cls(**asdict(read_stored(file, Progress))) if file.exists() else cls()

    def write(self, run: RunDirectory) -> None:
        """Write the state to disk."""
        write(run.state_file, json.dumps(asdict(self)))


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Create a run directory if necessary, and lock it against other processes.

    A directory that was created here and is still empty on exit is removed.

    Raises:
        RunError: If another process has locked the directory, or the path is a file.
    """
    is_made_here = not run.path.exists()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{run.path} is not a directory. Choose a different --out.") from error
    folder = os.open(run.path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{run.path} is in use by another training.") from error
        yield
    finally:
        if is_made_here and not any(run.path.iterdir()):
            run.path.rmdir()
        os.close(folder)


def first_files(run: RunDirectory) -> tuple[Path, ...]:
    """Return the files that are written before the configuration, which makes a folder a run."""
    texts = (run.held_out_file, run.dropped_file, run.environment_file)
    return (run.source_model, run.target_model, *texts)


def sweep(run: RunDirectory, checkpoint: str) -> None:
    """Delete what a killed training left of files, and all checkpoints except the given one."""
    later = (run.config_file, run.metrics_file, run.model_file)
    names = [file.name for file in (*first_files(run), *later)]
    partial = (*remains(run.path, names), *remains(run.checkpoints, _OF_CHECKPOINTS))
    checkpoints = {*run.checkpoints.glob("epoch-*.keras")} - {run.checkpoints / checkpoint}
    for path in (*partial, *checkpoints):
        remove(path)


def save_whole(model: keras.Model, path: Path) -> None:
    """Save a model atomically: if the program is killed, the old or the new file remains."""
    with replacing(path) as fresh:
        model.save(fresh)
