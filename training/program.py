"""Errors that a user can fix, which a program reports in one line instead of a traceback."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable

from programs.allocation import keep_freed_memory
from programs.interrupts import Interrupt
from programs.library import stored

RESUME = "Run the same command to resume after the last finished epoch."


class ConfigError(ValueError):
    """A recipe, an override or data that cannot be used for training."""


class CorpusError(ConfigError):
    """A corpus that cannot be read or split as configured."""


class RunError(RuntimeError):
    """A run directory that cannot be used for this training."""


def guarded(
    work: Callable[[], int],
    *errors: type[Exception],
    runs: Iterable[str] = (),
    interrupted: str = "Interrupted.",
) -> int:
    """Run a program, including its imports, and return its exit status.

    Args:
        work: The function to run; returns the exit status.
        errors: Exceptions to report in one line, with status 2.
        runs: Run directories that it reads. What they store is checked before anything is imported,
            so that an error comes at once.
        interrupted: The line to print after Ctrl-C, with status 130.
    """
    reported: tuple[type[Exception], ...] = (RunError, *errors)
    try:
        _check(runs)
        keep_freed_memory()
        with Interrupt().listening():
            return work()
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        gc.freeze()  # at the end, collecting TensorFlow's graphs takes seconds, deaf to Ctrl-C
        return 130
    except reported as error:
        print(f"error: {stored().printable(str(error), lines=True)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        needed = "the programs need the packages in requirements.txt; `make env` installs them"
        print(f"error: {error}: {needed}.", file=sys.stderr)
        return 2


def _check(runs: Iterable[str]) -> None:
    for run in runs:
        try:
            stored().check_run(run)
        except ValueError as error:
            what = f"{run} is not a run directory of this package"
            raise RunError(f"{what}: {error}") from error
