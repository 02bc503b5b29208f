"""One side of a comparison, which runs in its own process and environment.

The environments of all peers import this module, so it uses the standard library only.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from benchmarks.workloads import Case

Run = Callable[[], object]
Sentences = list[list[int]]
Translate = Callable[[Sentences], Sentences]
WARM_UP = 3


def serve(prepare: Callable[[Case], Run], versions: str) -> None:
    """Prepare a case, then time the number of runs given by each line of standard input.

    Writes lines of JSON: first the versions and the seconds of the preparation, then for each line
    of input the seconds of each run and the peak memory of the process, in MB above that after the
    imports.

    Args:
        prepare: A function from a case to a function that does the work once, synchronously.
        versions: The names and versions of the packages measured.
    """
    answers = _answers()
    imported = _memory()
    case = _case()
    began = time.perf_counter()
    run = prepare(case)
    load = time.perf_counter() - began
    for _ in range(WARM_UP):
        run()
    print(json.dumps({"versions": versions, "load": load}), file=answers)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        print(json.dumps({"seconds": seconds, "peak": _memory() - imported}), file=answers)


def translate(prepare: Callable[[Case], Translate]) -> None:
    """Prepare a case, and translate the sources given as JSON on standard input.

    Args:
        prepare: A function from a case to a function from the ids of sources to those of targets.
    """
    answers = _answers()
    print(json.dumps(prepare(_case())(json.load(sys.stdin))), file=answers)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def threads_of(case: Case) -> int:
    """Return the number of threads to use."""
    return case.threads or cores()


def _answers() -> IO[str]:
    """Return what standard output was, which libraries now find to be standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def _case() -> Case:
    return Case(**json.loads(sys.argv[1]))


def _memory() -> float:
    """Return the peak memory of the process, in MB.

    Linux's `ru_maxrss` would begin with the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
