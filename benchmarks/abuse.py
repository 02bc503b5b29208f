"""The load test of a server with limits: with abusive requests among the others, and without."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.server import Running, measured, serving

TURN = 30.0


@dataclass
class Side:
    """A server, and what its clients measured in all turns so far.

    Args:
        ports: The ports and the process of the server.
        share: The share of abusive requests.
    """

    server: Running
    share: float
    elapsed: list[float] = field(default_factory=list)
    errors: int = 0
    abusive: int = 0
    health: float = 0.0
    memory: list[float] = field(default_factory=list)
    """In MB, each second of its turns."""

    def add(self, found: dict[str, Any]) -> None:
        """Add the measurements of a turn."""
        self.elapsed += found["elapsed"]
        self.errors += found["errors"]
        self.abusive += found["abusive"]
        self.health = max(self.health, found["health"])


def compare(
    out: Path, model: str, texts: list[str], clients: int, seconds: float, share: float
) -> dict[str, Side]:
    """Return both sides, which had turns of half a minute on servers of their own.

    Args:
        out: The export.
        model: The name of the model.
        texts: The texts that are requested.
        clients: The number of clients, half of each protocol.
        seconds: The time of each side.
        share: The share of abusive requests.
    """
    job: dict[str, Any] = {"model": model, "texts": texts, "clients": clients, "expected": None}
    with ExitStack() as stack:
        sides = {
            title: Side(stack.enter_context(serving(out, model)), given)
            for title, given in (("without", 0.0), ("with", share))
        }
        for turn in range(max(1, round(seconds / TURN))):
            for side in sides.values():
                given = {
                    "abuse": side.share,
                    "ports": side.server.ports,
                    "seconds": min(TURN, seconds),
                    "turn": turn,
                }
                with watched(side.memory, side.server.pid):
                    found = measured({**job, **given})
                job["expected"] = found["expected"]
                side.add(found)
    return sides


def report(sides: dict[str, Side]) -> bool:
    """Print what was measured beside what is asked, and return whether it is met."""
    print("| abuse | requests | errors | abusive | p50 ms | p99 ms | health, max ms | memory MB |")
    print("|---|---|---|---|---|---|---|---|")
    for title, side in sides.items():
        p50, p99 = 1e3 * np.percentile(side.elapsed, (50, 99))
        print(
            f"| {title} | {len(side.elapsed):,} | {side.errors} | {side.abusive:,} | {p50:,.0f} "
            f"| {p99:,.0f} | {1e3 * side.health:,.0f} | {side.memory[-1]:,.0f} |"
        )
    calm, abused = sides.values()
    p99 = np.percentile(abused.elapsed, 99) / np.percentile(calm.elapsed, 99)
    found = {
        "errors": (float(calm.errors + abused.errors), 0.0),
        "p99, with over without": (float(p99), 2.0),
        "slowest health answer, s": (max(calm.health, abused.health), 1.0),
        "memory, last fifth over second, without": (growth(calm.memory), 1.05),
        "memory, last fifth over second, with": (growth(abused.memory), 1.05),
    }
    print("\n| | measured | at most |\n|---|---|---|")
    for title, (value, most) in found.items():
        print(f"| {title} | {value:.2f} | {most:g} |")
    return all(value <= most for value, most in found.values())


def growth(memory: Sequence[float]) -> float:
    """Return memory of the last fifth of the time, over that of the second fifth."""
    fifths = np.array_split(np.array(memory), 5)
    return float(fifths[4].mean() / fifths[1].mean())


@contextmanager
def watched(memory: list[float], pid: int | None = None) -> Iterator[None]:
    """Note the memory of a process each second, in MB; of this one without an id."""
    end = threading.Event()

    def watch() -> None:
        while not end.wait(1):
            memory.append(resident(pid or os.getpid()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def resident(pid: int) -> float:
    """Return the memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
