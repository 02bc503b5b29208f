"""Read YAML and JSON in bounds: regular files, of a size and depth that any real file has."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .checking import Stored, StoredError, checked
from .showing import one_line, shown

MOST_BYTES = {".yaml": 2**20, ".yml": 2**20, ".json": 2**24, ".jsonl": 2**24}
"""The largest files that are read, by their ending."""
_DEEPEST, _MOST_VALUES, _MOST_ALIASES = 32, 10**6, 32


def read_stored(path: str | Path, kind: type[Stored]) -> Stored:
    """Read a `.json` or `.yaml` file that holds one value of a kind.

    Args:
        path: The file.
        kind: One of the dataclasses above.

    Raises:
        FileNotFoundError: If there is no such file.
        StoredError: If it is not a regular file, too large, not JSON or YAML, or not of this kind.
    """
    path = Path(path)
    return checked(kind, parsed(path), str(path))


def read_list(path: str | Path, kind: type[Stored]) -> list[Stored]:
    """Read a `.json` file that holds a list of values of a kind; see `read_stored`."""
    path, rows = Path(path), parsed(Path(path))
    if not isinstance(rows, list):
        raise StoredError(f"{path} must hold a list. Received: {shown(rows)}")
    return [checked(kind, row, f"{path}, item {i}") for i, row in enumerate(rows)]


def parsed(path: Path) -> Any:
    """The content of a `.json` or `.yaml` file, bounded in size and depth, without its kind."""
    text, kind = read_text(path), "JSON" if path.suffix == ".json" else "YAML"
    try:
        tree = json.loads(text, parse_constant=_no_number) if kind == "JSON" else _yaml(text)
    except RecursionError:
        raise StoredError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise StoredError(f"{path} is not valid {kind}: {one_line(error)}") from error
    check_extent(tree, str(path))
    return tree


def read_text(path: Path) -> str:
    """The text of a stored file: a regular one, in UTF-8, and not larger than `MOST_BYTES`."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:  # for example a loop of links
        raise StoredError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise StoredError(f"{path} must be a file. Received: {_file_kind(found.st_mode)}")
    most = MOST_BYTES[path.suffix]
    if found.st_size > most:
        raise StoredError(f"{path} must have at most {most:,} bytes. Received: {found.st_size:,}")
    try:
        with path.open("rb") as file:
            return file.read(most + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StoredError(f"{path} is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise StoredError(f"{path} cannot be read: {error.strerror}") from error


def _yaml(text: str) -> Any:
    """Parse YAML, after counting what could make a short text a large or an endless value."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = aliases = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            aliases += isinstance(event, yaml.AliasEvent)
            if depth > _DEEPEST or aliases > _MOST_ALIASES:
                raise ValueError(
                    f"it must have at most {_DEEPEST} levels and {_MOST_ALIASES} aliases"
                )
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def check_extent(tree: Any, where: str) -> None:
    """Raise `StoredError` unless a nest is bounded in depth and number of values."""
    for count, depth in enumerate(islice(_depths(tree), _MOST_VALUES + 1)):
        if depth > _DEEPEST:
            raise StoredError(f"{where} is nested too deeply: more than {_DEEPEST} levels")
        if count >= _MOST_VALUES:
            raise StoredError(f"{where} must hold at most {_MOST_VALUES:,} values")


def _depths(tree: Any) -> Iterator[int]:
    """The depth of every value in a nest; the caller stops at one that is too deep."""
    waiting = [(tree, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield depth
        if isinstance(value, Mapping):
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _file_kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
