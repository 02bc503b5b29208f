"""Write files and folders so that a reader never sees half of one, and never through a link.

What is written goes into a fresh folder beside its place and is then renamed. A link at that place,
which may point anywhere if the folder came from other people, is itself replaced. This module
imports the standard library alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import mkdtemp

_PARTIAL = re.compile(r"partial-(?P<name>.+?)(-[a-z0-9_]{8})?", re.DOTALL)
_LONGEST = 48  # of a name, so that what is added to it fits


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a new path to write a file or a folder to; on success, it takes the place of `path`.

    If the body fails, what was there before remains. If the program is killed, `remains` finds what
    it left. A folder that exists keeps its place and gets new content, because it may be a mount.

    Args:
        path: The file or folder; its parents are created. Links among the parents are followed.

    Raises:
        IsADirectoryError: If a file was written, and `path` is a folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     victim, link = Path(folder) / "victim", Path(folder) / "link"
        ...     link.symlink_to(victim)
        ...     with replacing(link) as fresh:
        ...         _ = fresh.write_text("new")
        ...     link.read_text(), link.is_symlink(), victim.exists()
        ('new', False, False)
    """
    path = Path(path)
    is_folder = path.is_dir() and not path.is_symlink()
    place = path if is_folder else path.parent
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f"partial-{path.name[:_LONGEST]}-", dir=place))
    fresh = folder / (path.name or "content")
    try:
        yield fresh
        if not is_folder:
            _put(fresh, path)
        elif fresh.is_dir():
            _refill(path, fresh)
        else:
            raise IsADirectoryError(f"{path} is a folder, where a file must be written")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(fresh: Path, path: Path) -> None:
    if fresh.is_dir() and path.is_symlink():  # over which only a file can be renamed
        path.unlink()
    fresh.replace(path)


def _refill(path: Path, fresh: Path) -> None:
    for old in path.iterdir():
        if old != fresh.parent:
            remove(old)
    for new in fresh.iterdir():
        new.replace(path / new.name)


def write(path: str | Path, content: str | bytes) -> None:
    """Write a file, in UTF-8 if it is text; see `replacing`."""
    with replacing(path) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


def copy(source: str | Path, path: str | Path) -> None:
    """Write a file with the content of another one; see `replacing`."""
    with replacing(path) as fresh:
        shutil.copyfile(source, fresh)


def remove(path: Path) -> None:
    """Delete a file, a folder with its content, or a link but not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remains(folder: Path, names: Collection[str]) -> list[Path]:
    """Return what killed programs left of files that they wrote to a folder.

    Args:
        folder: The folder; it need not exist.
        names: The names of the files, which may contain wildcards.
    """
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _PARTIAL.fullmatch(path.name)
        if match and any(fnmatchcase(match["name"], name) for name in names):
            found.append(path)
    return found
