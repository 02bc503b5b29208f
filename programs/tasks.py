"""Do many independent tasks, in local processes or on a Ray cluster.

This module imports the standard library alone; Ray only where an address is given.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

_HERE = Path(__file__).parents[1]  # from where processes import what they do

T = TypeVar("T")
R = TypeVar("R")


class TasksError(RuntimeError):
    """A process of a task has ended before the task."""


def done(
    work: Callable[[T], R], tasks: Sequence[T], workers: int = 1, ray: str | None = None
) -> Iterator[R]:
    """Yield the results of tasks as they are done, in any order.

    A task whose process is killed ends all others here, while Ray does it again in another process,
    up to three times. So a task writes its result beside its place and renames it, and whoever asks
    for tasks again leaves out those whose result is there.

    Args:
        work: A function of a module, which every process imports.
        tasks: Its arguments, which can be pickled.
        workers: The number of local processes; a single one is this process itself.
        ray: The address of a Ray cluster, which decides on the number of processes; `"local"`
            starts one on this machine. Its hosts need the same folders.

    Raises:
        TasksError: If a process was killed.
        Exception: What a task raises; tasks that have not begun are left out.
    """
    if ray is not None:
        yield from _on_ray(work, tasks, ray)
    elif workers == 1 or len(tasks) <= 1:
        yield from map(work, tasks)
    else:
        yield from _in_processes(work, tasks, workers)


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(work: Callable[[T], R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    count = min(workers, len(tasks))
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin) as pool:
        try:
            for future in as_completed([pool.submit(work, task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            raise TasksError("A process has been killed, perhaps for want of memory.") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Let a process end with the one that has started it, silently."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _on_ray(work: Callable[[T], R], tasks: Sequence[T], address: str) -> Iterator[R]:
    import ray
    from ray.exceptions import RayTaskError, WorkerCrashedError

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster started here reports nothing
    path = os.pathsep.join(filter(None, [str(_HERE), os.environ.get("PYTHONPATH")]))
    ray.init(address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}})
    remote = ray.remote(max_retries=3)(_in_folder)
    waiting = [remote.remote(work, task, str(Path.cwd())) for task in tasks]
    try:
        while waiting:
            (ready,), waiting = ray.wait(waiting)
            yield ray.get(ready)
    except RayTaskError as error:
        raise error.cause from error
    except WorkerCrashedError as error:
        raise TasksError(f"A process has been killed four times: {error}") from error
    finally:
        ray.shutdown()


def _in_folder(work: Callable[[T], R], task: T, folder: str) -> Any:
    os.chdir(folder)
    return work(task)
