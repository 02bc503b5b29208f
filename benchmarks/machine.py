"""Describe the machine that a benchmark runs on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from benchmarks.worker import cores

_IDLE = 0.1


def description() -> str:
    """Return the processor, cores, memory, operating system and Python version."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.machine()
    python = platform.python_version()
    return f"{processor}, {cores()} cores, {memory:.0f} GiB, {platform.system()}, Python {python}."


def is_idle(seconds: float = 2.0) -> bool:
    """Return whether the processors are mostly idle, watched for some seconds."""
    busy, total = _ticks()
    time.sleep(seconds)
    later, all_later = _ticks()
    return (later - busy) < _IDLE * (all_later - total)


def _ticks() -> tuple[int, int]:
    """Return the busy ticks and all ticks of all processors since boot."""
    numbers = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    waiting = numbers[3] + numbers[4]
    return sum(numbers) - waiting, sum(numbers)
