"""Errors that a user can fix, which a program reports in one line instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


class ConfigError(ValueError):
    """A recipe, an override or data that cannot be used for training."""


class CorpusError(ConfigError):
    """A corpus that cannot be read or split as configured."""


class RunError(RuntimeError):
    """A run directory that cannot be used for this training."""


def guarded(
    work: Callable[[], int],
    *errors: type[Exception],
    interrupted: str = "Interrupted.",
) -> int:
    """Run a program, including its imports, and return its exit status.

    Args:
        work: The function to run; returns the exit status.
        errors: Exceptions to report in one line, with status 2.
        interrupted: The line to print after Ctrl-C, with status 130.
    """
    try:
        return work()
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return 130
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        needed = "the programs need the packages in requirements.txt; `make env` installs them"
        print(f"error: {error}: {needed}.", file=sys.stderr)
        return 2
