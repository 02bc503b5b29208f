"""Measure an export under load: `python -m benchmarks.serving OUT`.

MLServer serves `onnx/translate.onnx`, started as described in the README of the export. Clients
request the sources of `examples.json` in turn, one sentence at a time, by gRPC and then by REST.
Every response is compared with that of the idle server; a difference counts as an error.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.environments import SERVER
from benchmarks.machine import description, is_idle
from export.program import guarded

PROTOCOLS = {"grpc": "gRPC", "http": "REST"}
_PATIENCE = 60.0


@contextmanager
def serving(out: Path, model: str) -> Iterator[dict[str, int]]:
    """Run MLServer with an export, and wait until it is ready.

    Args:
        out: The export.
        model: The name of the model.

    Yields:
        The ports for `"grpc"`, `"http"` and `"metrics"`.

    Raises:
        RuntimeError: If the server does not start.
    """
    ports = _free_ports("grpc", "http", "metrics")
    settings = {f"MLSERVER_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    command = [str(SERVER.interpreter.with_name("mlserver")), "start", "mlserver"]
    environment = {**os.environ, **settings, "MLSERVER_HOST": "127.0.0.1"}
    with subprocess.Popen(command, cwd=out, env=environment, stdout=sys.stderr) as process:
        try:
            end = time.monotonic() + _PATIENCE
            while not _is_ready(f"http://127.0.0.1:{ports['http']}/v2/models/{model}/ready"):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("MLServer did not start.")
                time.sleep(0.1)
            yield ports
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="an export with ONNX files")
    parser.add_argument("--clients", type=int, default=32, help="number of clients (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="per protocol (%(default)s)")
    options = parser.parse_args(arguments)
    return guarded(lambda: _measure(options.out, options.clients, options.seconds), failed=1)


def _measure(out: Path, clients: int, seconds: float) -> int:
    """Measure both protocols, and print a table."""
    name = json.loads((out / "config.json").read_text(encoding="utf-8"))["name"]
    examples = json.loads((out / "examples.json").read_text(encoding="utf-8"))
    texts = [example["source"] for example in examples]
    job = {"model": name, "texts": texts, "clients": clients, "seconds": seconds}
    SERVER.install()
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    with serving(out, name) as ports:
        found = {
            title: measured({**job, "protocol": protocol, "port": ports[protocol]})
            for protocol, title in PROTOCOLS.items()
        }
    first, second = found.values()
    if first["expected"] != second["expected"]:
        raise RuntimeError("The two protocols return different translations.")
    print(f"{clients} clients, {seconds:.0f} s each, {len(texts)} sentences in turn.\n")
    print("| protocol | requests | errors | requests/s | p50 ms | p90 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    for title, row in found.items():
        latencies = " | ".join(f"{x:,.0f}" for x in row["milliseconds"])
        counts = f"{row['requests']:,} | {row['errors']}"
        print(f"| {title} | {counts} | {row['per_second']:.1f} | {latencies} |")
    print(f"\n{description()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
