"""Sizes and checksums of artefacts, which are files or folders."""

from __future__ import annotations

import hashlib
from pathlib import Path


def size(path: Path) -> int:
    """Return the size in bytes of a file or of all files in a folder; 0 if it does not exist."""
    return sum(file.stat().st_size for file in _files(path))


def checksum(path: Path) -> str | None:
    """Return the SHA-256 of an artefact in hexadecimal, or None if it does not exist.

    For a folder it is the hash of the output of `sha256sum` for all its files, sorted by path.
    """
    if not path.is_dir():
        return _sha256(path) if path.is_file() else None
    names = sorted(file.relative_to(path).as_posix() for file in _files(path))
    lines = [f"{_sha256(path / name)}  {name}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    files = path.rglob("*") if path.is_dir() else [path]
    return [file for file in files if file.is_file()]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
