"""The server of an export, and its clients, as benchmarks run them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import SERVER

_PATIENCE = 60.0


@dataclass(frozen=True)
class Running:
    """A running server.

    Attributes:
        ports: The ports for `"grpc"`, `"http"` and `"metrics"`.
        pid: The id of the process.
    """

    ports: dict[str, int]
    pid: int


@contextmanager
def serving(out: Path, model: str) -> Iterator[Running]:
    """Run the server of an export, and wait until it is ready.

    Args:
        out: The export.
        model: The name of the model.

    Yields:
        The running server.

    Raises:
        RuntimeError: If the server does not start.
    """
    ports = _free_ports("grpc", "http", "metrics")
    settings = {f"MLSERVER_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    command = [str(SERVER.interpreter), "mlserver/serve.py"]
    environment = {**os.environ, **settings}
    with subprocess.Popen(command, cwd=out, env=environment, stdout=sys.stderr) as process:
        try:
            end = time.monotonic() + _PATIENCE
            while not _is_ready(f"http://127.0.0.1:{ports['http']}/v2/models/{model}/ready"):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("The server did not start.")
                time.sleep(0.1)
            yield Running(ports, process.pid)
        finally:
            process.terminate()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def _free_ports(*names: str) -> dict[str, int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: s.getsockname()[1] for name, s in zip(names, sockets, strict=True)}


def measured(job: dict[str, Any]) -> dict[str, Any]:
    """Run the clients of a job, and return their measurements."""
    done = subprocess.run(
        [str(SERVER.interpreter), "-m", f"benchmarks.workers.{SERVER.module}"],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
