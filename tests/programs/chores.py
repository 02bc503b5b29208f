"""Tasks that import nothing slow."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def write(task: tuple[Path, int]) -> int:
    folder, number = task
    if number < 0:
        raise ValueError(f"Received: {number}")
    (folder / str(number)).write_text(str(os.getpid()))
    return number * number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(folder: Path) -> None:
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(100)
