"""How the process gets its memory from the system."""

from __future__ import annotations

import ctypes
import os

# The parameters of mallopt(3) with their values, in bytes.
_MMAP_THRESHOLD = -3, 1 << 30
_TRIM_THRESHOLD = -1, (1 << 31) - 1
_TOP_PAD = -2, 1 << 28


def keep_freed_memory() -> bool:
    """Let glibc's malloc keep what is freed, for the arrays of the next step.

    A step of a training or of a search frees the same blocks that the next one asks for. By
    default glibc hands the large ones and empty heaps back to the system, which maps and clears
    their pages again each time.

    Returns:
        Whether it was changed: not with another C library, nor where the environment already says
        how malloc shall work (`MALLOC_TOP_PAD_` and others, `GLIBC_TUNABLES`).
    """
    if any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl and Windows
        return False
    return all(mallopt(*option) for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD))
