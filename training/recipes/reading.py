"""Read a recipe, a YAML file, and apply `key=value` overrides; errors name the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from keras_attention.ids import UNKNOWN_ID
from keras_attention.stored import (
    Architecture,
    RunConfig,
    StoredError,
    checked,
    parsed,
)
from training.program import ConfigError
from training.recipes.config import AUTO, TrainConfig
from training.shards.folder import ShardFolder

RECIPES = Path(__file__).parent
_OR_AUTO = "literal['auto']"


def load_config(recipe: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Load the configuration of a recipe.

    Args:
        recipe: A name in `training/recipes`, or a YAML file.
        overrides: Strings `section.key=value`, with values in YAML.

    The sections `data` and `text` of a training from shards are those of the shards.

    Returns:
        The validated configuration.

    Raises:
        ConfigError: If the recipe or a key is unknown, a value is invalid, or shards are missing.
    """
    tree = _read_recipe(recipe)
    for override in overrides:
        _apply(tree, override)
    shards = _shards_of(tree)
    if shards is not None:
        made = ShardFolder(shards).manifest.settings
        tree |= {"data": {**asdict(made.data), "train": {"shards": shards}}}
        tree |= {"text": asdict(made.text)}
        for override in overrides:  # what differs from the shards is an error later on
            _apply(tree, override)
    return config_from(tree)


def _shards_of(tree: Mapping[str, Any]) -> str | None:
    """Return the shards to train on, if they are named."""
    for name in ("data", "train", "shards"):
        tree = tree.get(name, {}) if isinstance(tree, Mapping) else {}
    return tree if isinstance(tree, str) else None


def config_from(tree: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from a nested mapping; raises the same errors as `load_config`.

    `data.task` defaults to `corpus` if `data.train` is given, else to `dates`.
    """
    data = {} if tree.get("data") is None else tree["data"]
    if isinstance(data, Mapping):
        data = {"task": "corpus" if "train" in data else "dates", **data}
    tree = {**tree, "data": data}
    if isinstance(tree.get("model"), Mapping):
        tree["model"] = Architecture.with_current_names(tree["model"])
    unknown = list(_unknown_keys(tree, TrainConfig))
    if unknown:
        raise ConfigError("; ".join(unknown))
    sizes = {"source_vocabulary": UNKNOWN_ID + 1, "target_vocabulary": UNKNOWN_ID + 1}
    tree = {name: section for name, section in tree.items() if section is not None}
    tree["model"] = {**sizes, **tree.get("model", {})}
    try:
        config: TrainConfig = TypeAdapter(TrainConfig).validate_python(tree)
        checked(RunConfig, _without_auto(asdict(config)), "The configuration")  # as it is read back
    except ValidationError as error:
        problems = (_problem(item) for item in error.errors() if _OR_AUTO not in item["loc"])
        raise ConfigError("\n".join(problems)) from error
    except StoredError as error:
        raise ConfigError(str(error)) from error
    return config


def _without_auto(tree: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a run does not store."""
    training = {name: value for name, value in tree["training"].items() if value != AUTO}
    return {**tree, "training": training}


def _problem(problem: Mapping[str, Any]) -> str:
    tags = ("dates", "corpus", "pairs")  # pydantic inserts the tag after `data`
    path = [part for i, part in enumerate(problem["loc"]) if not (i == 1 and part in tags)]
    if path[:1] == ["training"] and path[-1] in (
        "bool",
        "int",
    ):  # of a value that may also be "auto"
        problem, path = {**problem, "msg": f"{problem['msg']}, or auto"}, path[:-1]
    key = ".".join(str(part) for part in path)
    if problem["type"] == "union_tag_invalid":
        task, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"]
        return f"Key `{key}.task`: must be one of {known}. Received: {task!r}"
    if problem["type"] == "value_error":  # raised by a section; ends with "Received: ..."
        return f"Key `{key}`: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    return f"Key `{key}`: {problem['msg']}. Received: {problem['input']!r}"


def _read_recipe(recipe: str) -> dict[str, Any]:
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        path = RECIPES / f"{recipe}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
        raise ConfigError(f"Unknown recipe {recipe!r}. Choose one of {known}, or a YAML file")
    try:
        tree = parsed(path)
    except StoredError as error:
        raise ConfigError(f"The recipe {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"The recipe {path} must be a mapping. Received: {type(tree).__name__}")
    return {"name": path.stem, **tree}


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"An override must have the form key=value. Received: {override!r}")
    *sections, last = key.split(".")
    for section in sections:
        if tree.get(section) is None:  # absent, or an empty section
            tree[section] = {}
        tree = tree[section]
        if not isinstance(tree, dict):
            raise ConfigError(f"Key `{key}`: `{section}` must be a section. Received: {tree!r}")
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"Key `{key}`: must be valid YAML. Received: {text!r}") from error


def _unknown_keys(tree: Mapping[str, Any], kind: type, path: str = "") -> Iterator[str]:
    known = {item.name for item in fields(kind)}
    types = get_type_hints(kind)
    for key, value in tree.items():
        if key not in known:
            yield f"Unknown key `{path}{key}`. Known: {', '.join(sorted(known))}"
        elif section := _section(types[key], value):
            if isinstance(value, Mapping):
                yield from _unknown_keys(value, section, f"{path}{key}.")
            elif value is not None:
                yield f"Key `{path}{key}` must be a section. Received: {value!r}"


def _section(kind: Any, value: Any) -> type | None:
    """Return the dataclass of a key that is a section; of several, the one with the given task."""
    kinds = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and is_dataclass(one)]
    task = value.get("task") if isinstance(value, Mapping) else None
    named = [one for one in kinds if getattr(one, "task", None) == task]
    return next(iter([*named, *kinds]), None)
