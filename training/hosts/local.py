"""Start the processes of a training on this machine, and end them together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

from training.program import RESUME

_GRACE = 30.0  # seconds for processes to end by themselves when another has failed
_PAUSE = 0.1
_COMMAND = (sys.executable, "-m", "training.train")


def run(count: int, arguments: Sequence[str]) -> int:
    """Run `training.train` in several processes, and return the exit status.

    The first process writes to this program's output; of another one, errors are shown if it is the
    first to fail. Each gets its share of the cores. If one fails, the others end, too, and all end
    with this program, be it interrupted or terminated.

    Args:
        count: The number of processes.
        arguments: The arguments of `training.train`.
    """
    address = f"localhost:{free_port()}"
    with ExitStack() as ended:
        for number in (signal.SIGTERM, signal.SIGHUP):
            ended.enter_context(_exit_at(number))
        started = []
        for index in range(count):
            errors = ended.enter_context(TemporaryFile()) if index else None
            process = _Process(index, count, address, arguments, errors)
            started.append(ended.enter_context(process))
        try:
            failed = _first_failed(started)
        except KeyboardInterrupt:
            interrupted = 128 + signal.SIGINT
            if _have_ended(started) and started[0].status == interrupted:
                return interrupted  # by the terminal, too; it has said so
            raise
        if failed is None:
            return 0
        _have_ended(started)
        if not started[0].has_said_why:
            failed.tell()
        return failed.status


def environment(index: int, count: int, address: str) -> dict[str, str]:
    """Return the variables from which a process reads its place."""
    return {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
    }


class _Process:
    """One of the processes; leaving the context ends it."""

    def __init__(
        self,
        index: int,
        count: int,
        address: str,
        arguments: Sequence[str],
        errors: IO[bytes] | None,
    ) -> None:
        places = {**environment(index, count, address), "JAX_LOCAL_DEVICE_IDS": str(index)}
        self.index = index
        self.errors = errors
        self.running = subprocess.Popen(
            [*_COMMAND, *arguments],
            env={**os.environ, **places},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if index else None,
            stderr=errors,
            preexec_fn=lambda: _take_cores(index, count),
        )

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.kill()
        self.running.wait()

    @property
    def is_running(self) -> bool:
        return self.running.poll() is None

    @property
    def status(self) -> int:
        """The exit status, as a shell gives it."""
        status = self.running.wait()
        return status if status >= 0 else 128 - status

    @property
    def has_said_why(self) -> bool:
        """Whether it ended with an error of its own, not by a signal."""
        return (self.running.poll() or 0) > 0

    def tell(self) -> None:
        """Say how it ended."""
        if self.errors is not None:
            self.errors.seek(0)
            sys.stderr.write(self.errors.read().decode(errors="replace"))
        code = self.running.wait()
        how = f"status {code}" if code >= 0 else signal.Signals(-code).name
        print(
            f"Process {self.index} has ended with {how}, and so the others, too. {RESUME}",
            file=sys.stderr,
        )


def _take_cores(index: int, count: int) -> None:
    """Keep this process to its share of the cores, where the operating system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[index::count] or cores)


@contextmanager
def _exit_at(number: signal.Signals) -> Iterator[None]:
    """Raise `SystemExit` at a signal that would end this process without its contexts."""

    def leave(*_: Any) -> None:
        print(f"\nEnded by {number.name}. {RESUME}", file=sys.stderr)
        raise SystemExit(128 + number)

    before = signal.getsignal(number)
    if before == signal.SIG_DFL:  # and not ignored, as SIGHUP is under nohup
        signal.signal(number, leave)
    try:
        yield
    finally:
        signal.signal(number, before)


def _have_ended(started: Sequence[_Process]) -> bool:
    """Give the processes time to end by themselves, and return whether all have."""
    deadline = time.monotonic() + _GRACE
    while any(process.is_running for process in started):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _first_failed(started: Sequence[_Process]) -> _Process | None:
    """Wait until all processes have ended, or one has failed."""
    while True:
        running = [process.is_running for process in started]
        for process, is_running in zip(started, running, strict=True):
            if not is_running and process.status:
                return process
        if not any(running):
            return None
        time.sleep(_PAUSE)


def free_port(host: str = "localhost") -> int:
    """Return a port on which nothing listens on this machine; an empty host is all addresses."""
    with socket.socket() as listening:
        listening.bind((host, 0))
        return int(listening.getsockname()[1])
