"""Processes that end with the program that has started them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.toy import until
from training.program import RESUME

_CHILD = """
import os, pathlib, sys, time
place = os.environ["KERAS_DISTRIBUTION_PROCESS_ID"]
file = pathlib.Path(sys.argv[1], place)
file.with_suffix(".new").write_text(str(os.getpid()))
file.with_suffix(".new").rename(file)
time.sleep(60)
"""

_LAUNCHER = f"""
import signal, sys
from training.hosts import local
from training.program import guarded
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
local._COMMAND, local._GRACE = (sys.executable, "-c", {_CHILD!r}), 0.2
sys.exit(guarded(lambda: local.run(2, sys.argv[1:])))
"""


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (signal.SIGTERM, f"\nEnded by SIGTERM. {RESUME}\n"),
        (signal.SIGHUP, f"\nEnded by SIGHUP. {RESUME}\n"),
        (signal.SIGINT, "\nInterrupted.\n"),
    ],
)
def test_a_signal_to_the_launcher_alone(sent: signal.Signals, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as launcher:
        files = [tmp_path / "0", tmp_path / "1"]
        until(lambda: all(file.exists() for file in files))
        launcher.send_signal(sent)
        _, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 128 + sent
    assert errors == said
    for file in files:
        assert not Path("/proc", file.read_text()).exists()
