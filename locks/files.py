"""Requirements files, and the locks that belong to them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path("locks")
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
SCOPE = f"CPython {PYTHONS[0]} to {PYTHONS[-1]} on Linux ({', '.join(MACHINES)})"
REQUIREMENTS = (
    "requirements.txt",
    "requirements-backends.txt",
    "requirements-hosts.txt",
    "requirements-docs.txt",
    "tests/oldest/requirements.txt",
    "export/mlserver/requirements.txt",
    "tests/servers/requirements.txt",
    "tests/servers/requirements-validators.txt",
)
"""What has a lock, each after the one that it includes."""


def lines(requirements: Path) -> list[str]:
    """The lines of a requirements file or lock, continued lines joined, without comments."""
    text = requirements.read_text(encoding="utf-8").replace("\\\n", " ")
    bare = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in bare if line.strip()]


def included(requirements: Path, *options: str) -> list[Path]:
    """The files that a requirements file names after `-r` or `-c`."""
    pairs = (line.partition(" ") for line in lines(requirements))
    return [requirements.parent / name for option, _, name in pairs if option in options]


def digest(requirements: Path) -> str:
    """A hash of what the requirements say, with what they include; a comment counts for nothing."""
    said = "\n".join(lines(requirements))
    return hashlib.sha256(
        "\n".join([said, *map(digest, included(requirements, "-r", "-c"))]).encode()
    ).hexdigest()


def header(requirements: Path) -> str:
    """What the lock of these requirements begins with, as they are now."""
    return (
        f"# Made by `make lock` from {requirements.as_posix()}, for {SCOPE}: do not edit.\n"
        f"# What it was made from: sha256:{digest(requirements)}\n"
    )


def lock_of(requirements: Path) -> Path:
    """Where the lock of these requirements lies."""
    return FOLDER / requirements


def is_current(requirements: Path) -> bool:
    """Whether the lock was made from the requirements as they are now."""
    lock = lock_of(requirements)
    return lock.exists() and lock.read_text(encoding="utf-8").startswith(header(requirements))
