"""Where a training stands, on disk: what a killed one resumes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_attention.runs import RunDirectory


@dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
        epoch: Epochs done.
        file: The checkpoint's name.
        best: The best validation value so far.
        best_epoch: The epoch that it came from.
        is_stopped: Whether training ended early.
    """

    epoch: int = 0
    file: str | None = None
    best: float | None = None
    best_epoch: int = 0
    is_stopped: bool = False

    @classmethod
    def of(cls, run: RunDirectory) -> TrainingState:
        """The state that a run directory holds; a new one if it holds none."""
        file = _file(run)
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else cls()

    def write(self, run: RunDirectory) -> None:
        """Put the state on disk."""
        write_whole(_file(run), json.dumps(asdict(self)))


def sweep(run: RunDirectory, checkpoint: str | None) -> None:
    """Remove partial files, and all checkpoints but the one of that name."""
    partial = [*run.path.glob("partial-*"), *run.checkpoints.glob("partial-*")]
    for file in {*partial, *run.checkpoints.glob("*.keras")}:
        if file.name != checkpoint:
            file.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whenever the program is killed."""
    partial = path.with_name("partial-" + path.name)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _file(run: RunDirectory) -> Path:
    return run.checkpoints / "state.json"
