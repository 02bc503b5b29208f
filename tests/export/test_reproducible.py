"""Nothing in an export depends on the process that wrote it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attention.text.runs import RunDirectory

ROOT = Path(__file__).parents[2]


def exported_by_hash_seed(run: RunDirectory, out: Path, seed: int) -> dict[str, bytes]:
    """All files of an export: converters may order and name things by hashes and addresses."""
    command = [sys.executable, "-m", "export", str(run.path), str(out)]
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    files = [path for path in out.rglob("*") if path.is_file()]
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in files}


@pytest.mark.thorough
def test_two_processes_write_the_same_bytes(run: RunDirectory, tmp_path: Path) -> None:
    first, second = (exported_by_hash_seed(run, tmp_path / str(i) / "toy", i) for i in (1, 2))
    assert len(first) > 20
    assert set(first) == set(second)
    assert [name for name, content in first.items() if second[name] != content] == []
