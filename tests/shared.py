"""Folders that one test process creates and the others read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Return a folder that the first process to ask creates, while the others wait.

    pytest-xdist gives each process its own session, so a session fixture alone would create the
    folder once per process. Nobody may write to it afterwards.

    Args:
        tmp_path_factory: pytest's fixture.
        name: Name of the folder, different for different contents, for example `runs/toy`.
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
