"""How a program ends: with a line that helps, not with a traceback, where its user can help."""

from __future__ import annotations

import sys
from collections.abc import Callable


class ConfigError(ValueError):
    """A recipe, an override or data that a training cannot take."""


class CorpusError(ConfigError):
    """A corpus that cannot be read or split as it was asked for."""


class RunError(RuntimeError):
    """A run directory that cannot take this training."""


def guarded(
    work: Callable[[], int],
    *errors: type[Exception],
    interrupted: str = "Interrupted.",
) -> int:
    """Do a program's work, imports included, and give its exit status.

    Args:
        work: The work; gives the exit status.
        errors: What ends with one line and the status 2.
        interrupted: The line after Ctrl-C, which ends with the status 130.
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
        needed = "the programs need requirements.txt, which `make env` installs into .venv"
        print(f"error: {error}: {needed}.", file=sys.stderr)
        return 2
