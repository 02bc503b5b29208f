"""Files on a Ray cluster, where Ray is installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.export.bulk.conftest import Bulk, joined
from tests.export.bulk.test_folder import content

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")
def test_a_cluster_writes_the_same_bytes(
    exported: Path, bulk: Bulk, lines: list[str], tmp_path: Path
) -> None:
    source, out, expected = (tmp_path / name for name in ("in", "out", "expected"))
    source.mkdir()
    for number in range(3):
        (source / f"{number}").write_text(joined(lines[number:]))
    command = [sys.executable, "-m", "export.translate", exported, source, out, "--ray", "local"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert bulk(b"", source, expected)[0] == 0
    assert content(out) == content(expected)
