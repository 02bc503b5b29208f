"""How the programs end: a status, and one line where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

INTERRUPTED = 130


def guarded(work: Callable[[], int], failed: int) -> int:
    """Do a program's work, slow imports included.

    Args:
        work: Gives the exit status.
        failed: The status after an error that the user can mend.

    Returns:
        The exit status: that of `work`, `failed`, or 130 after Ctrl-C.
    """
    try:
        return work()
    except BaseException as error:
        if _was_interrupted(error):
            print("\nInterrupted.", file=sys.stderr)
            return INTERRUPTED
        if not isinstance(error, OSError | RuntimeError | ValueError | ModuleNotFoundError):
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, ModuleNotFoundError):
            message += ": the programs need requirements.txt, which `make env` installs into .venv."
        print(f"error: {message}", file=sys.stderr)
        return failed


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it: compiled code makes errors of other kinds of one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
