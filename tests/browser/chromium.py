"""Scripts for Node that open a page in headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / ".browser" / "node_modules"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    not (MODULES.is_dir() and CHROMIUM), reason="`make test-browser` installs what this needs"
)


def in_node(script: str, folder: Path, job: dict[str, Any]) -> str:
    """What a script of this folder prints, given a job in JSON, which may not fail."""
    file = folder / "job.json"
    installed = {"modules": str(MODULES), "chromium": CHROMIUM}
    file.write_text(json.dumps({**installed, **job}), encoding="utf-8")
    command = ["node", HERE / script, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
