"""The reference pages list every public name under its namespace."""

from __future__ import annotations

import importlib
import re
from typing import Any

from tests.documents import ROOT
from tests.public import PUBLIC

DIRECTIVE = re.compile(r"^\.\. auto(?:class|function|data):: ([\w.]+)$", flags=re.MULTILINE)


def described() -> list[str]:
    pages = [page.read_text("utf-8") for page in (ROOT / "docs" / "api").glob("*.md")]
    return [name for page in pages for name in DIRECTIVE.findall(page)]


def resolved(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_every_public_name_has_one_place() -> None:
    assert len(PUBLIC) > 70
    assert sorted(described()) == sorted(f"keras_attention.{path}" for path in PUBLIC)


def test_what_is_described_exists() -> None:
    for name in described():
        resolved(name)
