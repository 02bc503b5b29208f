"""One side of a comparison, in a process and an environment of its own.

It is read in the environments of all peers, so it needs the standard library alone.
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
    """Prepare a case, then time as many runs as each line of standard input asks for.

    Lines of JSON go out: first what is measured, then the seconds of each run, with the peak of the
    process's memory in MB above what the imports took.

    Args:
        prepare: From a case to a function that does the work once, to its very end.
        versions: What is measured, in words.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print goes elsewhere
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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def threads_of(case: Case) -> int:
    """How many threads to compute with."""
    return case.threads or cores()


def _memory() -> float:
    """The most memory that the process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
