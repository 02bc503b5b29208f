"""MLServer on an export, and its clients, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / ".servers" / "bin"
VALIDATORS = HERE.parents[1] / ".validators" / "bin"
PROTOCOLS = ("grpc", "http")
_PATIENCE = 60.0


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        ports: The ports of `"http"`, `"grpc"` and `"metrics"`.
        process: The process.
        log: The file of what it prints.
    """

    ports: dict[str, int]
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, protocol: str, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The responses to requests sent at the same time: outputs, or `error`."""
        job = {"protocol": protocol, "port": self.ports[protocol], "model": "toy"}
        done = run("python", HERE / "client.py", given=json.dumps({**job, "requests": requests}))
        answers: list[dict[str, Any]] = json.loads(done)
        return answers


def run(program: str, *arguments: str | Path, given: str = "", cwd: Path = HERE) -> str:
    """The standard output of a program in the servers' environment."""
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        input=given,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def start_command(out: Path) -> list[str]:
    """The command from the export's README."""
    found = re.search(
        r"^python (mlserver/.+)$", (out / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert found is not None
    return [str(PROGRAMS / "python"), *found[1].split()]


@contextmanager
def serving(out: Path, log: Path, **limits: float) -> Iterator[Server]:
    """The server of an export with these limits, once it is ready."""
    settings = {f"SERVE_{name.upper()}": str(value) for name, value in limits.items()}
    with started(start_command(out), out, log, settings) as server:
        yield server


@contextmanager
def started(
    command: Sequence[str], folder: Path, log: Path, settings: dict[str, str]
) -> Iterator[Server]:
    """The server that a command starts in a folder, on free ports of this machine."""
    ports = free_ports("http", "grpc", "metrics")
    places = {f"MLSERVER_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | settings | places | {"MLSERVER_HOST": "127.0.0.1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until_ready(f"http://127.0.0.1:{ports['http']}/v2/models/toy/ready", process, log)
            yield Server(ports, process, log)
        finally:
            process.terminate()


def wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"MLServer is not ready.\n{log.read_text('utf-8')}")


def free_ports(*names: str) -> dict[str, int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: s.getsockname()[1] for name, s in zip(names, sockets, strict=True)}


def of_texts(*texts: str) -> dict[str, Any]:
    """A request."""
    return {"shape": [len(texts)], "data": texts}
