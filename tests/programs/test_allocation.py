"""What freed memory costs when it is asked for again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# Steps in a thread, as those of a training: 90 MB, in blocks of every size, all freed at the end.
STEPS = """
import ctypes, resource, threading
from programs.allocation import keep_freed_memory

keeps = keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
faults = []


def step():
    sizes = [100_000 * (1 + n % 30) for n in range(60)]
    blocks = [(libc.malloc(size), size) for size in sizes]
    for block, size in blocks:
        ctypes.memset(block, 1, size)
    for block, _ in blocks:
        libc.free(block)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)


def steps():
    for _ in range(12):
        step()


thread = threading.Thread(target=steps)
thread.start()
thread.join()
print(keeps, (faults[-1] - faults[1]) // 10)
"""


def faults_in_a_step(**environment: str) -> tuple[bool, int]:
    """Return whether the process keeps freed memory, and how many pages a later step maps."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name != "GLIBC_TUNABLES" and not name.startswith("MALLOC_")
    }
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    keeps, faults = done.stdout.split()
    return keeps == "True", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the system's malloc is not glibc's")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    keeps, faults = faults_in_a_step()
    assert keeps
    assert faults < 500  # of 22,700 pages of 4 KiB


def test_what_the_environment_says_of_malloc_stands() -> None:
    for name, value in (("MALLOC_ARENA_MAX", "2"), ("GLIBC_TUNABLES", "glibc.malloc.perturb=0")):
        keeps, faults = faults_in_a_step(**{name: value})
        assert not keeps
    assert platform.libc_ver()[0] != "glibc" or faults > 5000
