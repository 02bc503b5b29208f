"""The commands in the README and the documentation exist, with their options."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Callable

import pytest
import yaml

from tests.documents import DOCUMENTS, ROOT
from training.recipes.reading import load_config

WITH_COMMANDS = [name for name in DOCUMENTS if name not in ("CHANGELOG.md", "docs/speed.md")]
"""Commands of the changelog are historical, and benchmarks of speed start work at once."""
WITH_KEYS = ("docs/guides/own-data.md", "docs/training.md")
COMMAND = re.compile(r"python -m ((?:training|export|benchmarks)[\w.]*) ([^\n`<>|]+)")
KEY = re.compile(r"`((?:data|text|model|training|search)\.\w+(?:\.\w+)?)[=`. ]")


def commands(document: str) -> list[tuple[str, list[str]]]:
    """The programs that a document calls, with their arguments."""
    found = COMMAND.findall((ROOT / document).read_text(encoding="utf-8"))
    return [(program, shlex.split(text, comments=True)) for program, text in found]


def read_only(program: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """A program that parses its arguments and then does nothing."""
    try:
        module = importlib.import_module(f"{program}.__main__")
    except ModuleNotFoundError:
        module = importlib.import_module(program)
    monkeypatch.setattr(module, "guarded", lambda *_, **__: 0)
    main: Callable[[list[str]], int] = module.main
    return main


@pytest.mark.parametrize(
    ("program", "arguments"),
    [command for document in WITH_COMMANDS for command in commands(document)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_documented_command(
    program: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_only(program, monkeypatch)(arguments) == 0
    if program == "training.train" and not any("shards=" in argument for argument in arguments):
        recipe = arguments[arguments.index("--recipe") + 1]
        load_config(recipe, [argument for argument in arguments if "=" in argument])


def test_what_does_not_exist_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = read_only("training.evaluate", monkeypatch)
    assert evaluate(["runs/mine", "--pairs", "3"]) == 0
    with pytest.raises(SystemExit):
        evaluate(["runs/mine", "--no-such-option"])


@pytest.mark.parametrize("document", WITH_KEYS)
def test_documented_keys(document: str) -> None:
    config = yaml.safe_load(load_config("corpus", ["data.train.tsv=a.tsv"]).to_yaml())
    named = KEY.findall((ROOT / document).read_text(encoding="utf-8"))
    keys = [key for key in named if not (ROOT / f"{key.replace('.', '/')}.py").is_file()]
    assert keys
    for key in keys:
        known = config
        for part in key.split("."):
            assert part in known, key
            known = known[part]


def test_every_program_is_documented() -> None:
    programs = {
        f"training.{file.stem}"
        for file in (ROOT / "training").glob("*.py")
        if 'prog="python -m ' in file.read_text(encoding="utf-8")
    }
    documented = {program for document in WITH_COMMANDS for program, _ in commands(document)}
    assert len(programs) >= 6
    assert programs <= documented
