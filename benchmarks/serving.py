"""Measure an export under load: `python -m benchmarks.serving OUT`.

MLServer serves `onnx/translate.onnx`, started as described in the README of the export. Clients
request the sources of `examples.json` in turn, one sentence at a time, by gRPC and then by REST.
Every response is compared with that of the idle server; a difference counts as an error.

With `--abuse`, half of the clients use gRPC and half REST, and some of their requests are those
that a server must refuse or survive: too large, malformed, half, or left by their client. The same
load without them runs in turns on a second server. The program fails unless no other request fails,
p99 at most doubles, health answers within a second, and memory stays within 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.abuse import compare, report
from benchmarks.environments import SERVER
from benchmarks.machine import description, is_idle
from benchmarks.server import measured, serving
from export.program import guarded

PROTOCOLS = {"grpc": "gRPC", "http": "REST"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="an export with ONNX files")
    parser.add_argument("--clients", type=int, default=32, help="number of clients (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, help="per protocol (60), or with and without abuse each (600)"
    )
    parser.add_argument(
        "--abuse",
        type=float,
        nargs="?",
        const=1.0,
        metavar="PERCENT",
        help="percentage of requests that are abusive (without a number: %(const)s)",
    )
    options = parser.parse_args(arguments)
    return guarded(
        lambda: _measure(options.out, options.clients, options.seconds, options.abuse), failed=1
    )


def _measure(out: Path, clients: int, seconds: float | None, abuse: float | None) -> int:
    """Measure an export, and print tables."""
    name = json.loads((out / "config.json").read_text(encoding="utf-8"))["name"]
    examples = json.loads((out / "examples.json").read_text(encoding="utf-8"))
    texts = [example["source"] for example in examples]
    SERVER.install()
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    if abuse is None:
        _measure_protocols(out, name, texts, clients, seconds or 60.0)
        met = True
    else:
        seconds = seconds or 600.0
        sides = compare(out, name, texts, clients, seconds, abuse / 100)
        print(f"{clients} clients, {seconds:.0f} s each, {abuse:g} % of requests abusive.\n")
        met = report(sides)
    print(f"\n{description()}")
    return 0 if met else 1


def _measure_protocols(
    out: Path, name: str, texts: list[str], clients: int, seconds: float
) -> None:
    job = {"model": name, "texts": texts, "clients": clients, "seconds": seconds}
    with serving(out, name) as server:
        found = {
            title: measured({**job, "protocol": protocol, "port": server.ports[protocol]})
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


if __name__ == "__main__":
    sys.exit(main())
