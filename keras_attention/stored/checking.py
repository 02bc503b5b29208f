"""Make a value of a kind of a nest of plain values: every field typed and bounded."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .bounds import Matches, Within
from .showing import key_shown, shown

_MOST_PROBLEMS = 5
Stored = TypeVar("Stored")


class StoredError(ValueError):
    """A stored file that no program of ours wrote; the message names the file and the field."""


def choices_of(kind: type) -> dict[str, tuple[Any, ...]]:
    """The values that each field of a dataclass can have, if they are listed."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        listed = [one for part in parts if get_origin(part) is Literal for one in get_args(part)]
        if listed:
            found[name] = (*listed, *[None] * (types.NoneType in parts))
    return found


def checked(kind: type[Stored], tree: Any, where: str) -> Stored:
    """Return a value of a kind, made of a nest of plain values.

    Args:
        kind: A dataclass.
        tree: Plain values, as JSON has them.
        where: What holds them, for the error message.

    Raises:
        StoredError: If a field is unknown, missing, or out of its bounds; it names the first few.
    """
    problems: list[str] = []
    value = _value(kind, tree, "", problems)
    if problems:
        more = f" and {len(problems) - _MOST_PROBLEMS} more" * (len(problems) > _MOST_PROBLEMS)
        raise StoredError(f"{where}: {'; '.join(problems[:_MOST_PROBLEMS])}{more}")
    return value


def _value(kind: Any, given: Any, key: str, problems: list[str]) -> Any:
    """A value of a type, or None after a line in `problems`."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        count = len(problems)
        value = _value(parts[0], given, key, problems)
        for limit in parts[1:] if len(problems) == count else ():
            problems += [f"`{key}` {problem}" for problem in _beyond(limit, value)]
        return value
    if origin in (Union, types.UnionType):
        return _one_of(parts, given, key, problems)
    if origin is Literal:
        if not any(type(given) is type(one) and given == one for one in parts):
            problems.append(f"`{key}` must be one of {parts}. Received: {shown(given)}")
        return given
    if isinstance(kind, type) and is_dataclass(kind):
        return _section(kind, given, key, problems)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(parts, given, key, problems)
    if origin is not None:
        return _sequence(origin, parts, given, key, problems)
    return _scalar(kind, given, key, problems)


def _beyond(limit: Within | Matches, value: Any) -> Iterator[str]:
    """What is wrong with a value that has the right type."""
    if isinstance(limit, Matches):
        if not re.fullmatch(limit.pattern, value):
            yield f"must be {limit.what}. Received: {shown(value)}"
        return
    size = value if isinstance(value, int | float) else len(value)
    if not limit.least <= size <= limit.most:
        what = "must be" if size is value else "must have a length"
        yield f"{what} from {limit.least:,} to {limit.most:,}. Received: {shown(value)}"


def _scalar(kind: type, given: Any, key: str, problems: list[str]) -> Any:
    takes: tuple[type, ...] = (int, float) if kind is float else (kind,)
    is_kind = isinstance(given, takes) and (kind is bool or not isinstance(given, bool))
    if not is_kind or (kind is float and not math.isfinite(given)):
        names = {float: "a finite number", int: "an integer", str: "a string", bool: "a boolean"}
        problems.append(f"`{key}` must be {names[kind]}. Received: {shown(given)}")
        return None
    return given


def _one_of(kinds: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    """A value of one of several types: dataclasses by their `task`, others by trying."""
    if given is None and types.NoneType in kinds:
        return None
    kinds = [one for one in kinds if one is not types.NoneType]
    sections = {one.task: one for one in kinds if is_dataclass(one) and hasattr(one, "task")}
    if len(sections) == len(kinds) > 1:
        usual = "corpus" if isinstance(given, Mapping) and "train" in given else "dates"
        task = given.get("task", usual) if isinstance(given, Mapping) else None
        if not isinstance(task, str) or task not in sections:
            found = shown(given if task is None else task)
            problems.append(f"`{key}.task` must be one of {tuple(sections)}. Received: {found}")
            return None
        return _section(sections[task], given, key, problems)
    for kind in kinds:
        own: list[str] = []
        value = _value(kind, given, key, own)
        if not own:
            return value
    problems += own if len(kinds) == 1 else [f"`{key}` is {shown(given)}, of no known type"]
    return None


def _section(kind: Any, given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, Mapping):
        what = f"`{key}`" if key else "it"
        problems.append(f"{what} must be a section. Received: {shown(given)}")
        return None
    if hasattr(kind, "with_current_names"):
        given = kind.with_current_names(given)
    known = {item.name: item for item in fields(kind)}
    path = f"{key}." if key else ""
    for name in given:
        if name not in known:
            problems.append(f"unknown field `{path}{key_shown(name)}`. Known: {', '.join(known)}")
    hints = get_type_hints(kind, include_extras=True)
    count, values = len(problems), {}
    for name, item in known.items():
        if name in given:
            values[name] = _value(hints[name], given[name], f"{path}{name}", problems)
        elif item.default is MISSING and item.default_factory is MISSING:
            problems.append(f"`{path}{name}` is missing")
    return kind(**values) if len(problems) == count and not problems else None


def _mapping(parts: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, Mapping):
        problems.append(f"`{key}` must be a section. Received: {shown(given)}")
        return None
    return {
        _value(parts[0], name, f"{key}, a name", problems): _value(
            parts[1], value, f"{key}.{key_shown(name)}", problems
        )
        for name, value in given.items()
    }


def _sequence(origin: type, parts: Sequence[Any], given: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(given, list | tuple):
        problems.append(f"`{key}` must be a list. Received: {shown(given)}")
        return None
    each = list(parts) if origin is tuple else [parts[0]] * len(given)
    if len(each) != len(given):
        problems.append(f"`{key}` must be a list of {len(each)}. Received: {len(given)} items")
        return None
    pairs = enumerate(zip(each, given, strict=True))
    return tuple(_value(kind, one, f"{key}.{i}", problems) for i, (kind, one) in pairs)
