"""What several test processes read and one of them makes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder that the first process to ask for it makes, while the others wait.

    pytest-xdist gives each process a session of its own, so a session fixture alone would make
    what it holds once for each of them. Nobody may write to the folder afterwards.

    Args:
        tmp_path_factory: pytest's.
        name: Of the folder, one for each content, for example `runs/toy`.
        make: Fills the folder, which does not exist yet.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "shared" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder.with_suffix(".complete")
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            make(folder)
            complete.touch()
    return folder
