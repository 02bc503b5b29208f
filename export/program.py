"""Run a program, and report errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from programs.interrupts import Interrupt
from programs.library import stored

INTERRUPTED = 130


def guarded(
    work: Callable[[], int],
    failed: int,
    run: str | Path | None = None,
    out: str | Path | None = None,
) -> int:
    """Run a program, including its slow imports.

    Args:
        work: The function to run; returns the exit status.
        failed: The status after an error that the user can fix.
        run: A run directory that it reads, or None. What it stores is checked before anything is
            imported, so that an error comes at once.
        out: An export that it reads, likewise.

    Returns:
        The exit status: that of `work`, `failed`, or 130 after Ctrl-C.
    """
    try:
        if run is not None:
            stored().check_run(run)
        if out is not None:
            stored().check_export(out)
        with Interrupt().listening():
            return work()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except (OSError, RuntimeError, ValueError, ModuleNotFoundError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, ModuleNotFoundError):
            message += (
                ": the programs need the packages in requirements.txt; `make env` installs them."
            )
        print(f"error: {stored().printable(message)}", file=sys.stderr)
        return failed
