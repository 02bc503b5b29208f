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

from benchmarks.workloads import Case

Run = Callable[[], object]
WARM_UP = 3


def serve(prepare: Callable[[Case], Run], versions: str) -> None:
    """Prepare a case, then time the number of runs given by each line of standard input.

    Writes lines of JSON: first the versions, then for each line of input the seconds of each run
    and the peak memory of the process, in MB above that after the imports.

    Args:
        prepare: A function from a case to a function that does the work once, synchronously.
        versions: The names and versions of the packages measured.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of libraries goes to stderr
    imported = _memory()
    case = Case(**json.loads(sys.argv[1]))
    run = prepare(case)
    for _ in range(WARM_UP):
        run()
    print(json.dumps({"versions": versions}), file=answers)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        print(json.dumps({"seconds": seconds, "peak": _memory() - imported}), file=answers)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def threads_of(case: Case) -> int:
    """Return the number of threads to use."""
    return case.threads or cores()


def _memory() -> float:
    """Return the peak memory of the process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
