"""What ONNX Runtime writes and sends about its use on Linux since 1.29 is switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_nothing_is_written_to_the_home_folder(tmp_path: Path) -> None:
    program = "import export, onnxruntime; onnxruntime.SessionOptions()"
    variables = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", program]
    subprocess.run(command, env={**variables, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
