"""The pages of the reference have every public name."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import keras_attention as ka
from keras_attention import attention, decoding, masking, schedules, scores
from tests.documents import ROOT

DIRECTIVE = re.compile(r"^\.\. auto(?:class|function|data):: ([\w.]+)$", flags=re.MULTILINE)


def described() -> dict[str, Any]:
    pages = [page.read_text("utf-8") for page in (ROOT / "docs" / "api").glob("*.md")]
    names = [name for page in pages for name in DIRECTIVE.findall(page)]
    assert len(names) == len(set(names))
    return {name: resolved(name) for name in names}


def resolved(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def public() -> dict[str, Any]:
    modules = (ka, attention, decoding)
    names = {f"{m.__name__}.{name}": getattr(m, name) for m in modules for name in m.__all__}
    for module in (masking, schedules, scores):
        for name, value in vars(module).items():
            is_own = getattr(value, "__module__", None) == module.__name__
            if is_own and not name.startswith(("_", "check_")):
                names[f"{module.__name__}.{name}"] = value
    return {name: value for name, value in names.items() if not inspect.ismodule(value)}


def test_every_public_name_has_its_place() -> None:
    there = list(described().values())
    missing = [name for name, value in public().items() if value not in there]
    assert len(public()) > 80
    assert missing == []


def test_names_are_those_that_one_imports() -> None:
    short = {f"keras_attention.{name}" for name in ka.__all__}
    assert [
        name
        for name, value in described().items()
        if name not in short and value in [getattr(ka, other) for other in ka.__all__]
    ] == []
