"""Lines to translate, and what the Keras model writes for them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from export.translate import main
from keras_attention import GreedySearch, Translator
from keras_attention.text.runs import RunDirectory
from tests.export.toy import texts

Bulk = Callable[..., tuple[int, str, str]]
WITHOUT_KERAS = (
    "import sys; from export.translate import main; status = main(sys.argv[1:]); "
    "others = {'keras', 'keras_attention', 'tensorflow', 'onnxruntime_extensions'}; "
    "sys.exit(status or ' '.join(others & set(sys.modules)) or None)"
)
"""Runs the program, and fails if it has imported what it must not."""


@pytest.fixture(scope="session")
def translator(run: RunDirectory) -> Translator:
    return Translator.from_run(run.path)


@pytest.fixture(scope="session")
def lines() -> list[str]:
    """Texts of all lengths, one twice, with empty ones and characters that the model lacks."""
    found = texts(41, seed=11)
    return [*found[:7], "", "abc ☃☃d", "  ", *found[7:], found[3], "é"]


@pytest.fixture
def bulk(
    exported: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Bulk:
    """Run the program on an input; return its status, standard output and standard error."""

    def run(data: bytes, *arguments: str | Path, export: Path = exported) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        status = main([str(export), *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return status, out.decode(), err.decode()

    return run


def joined(rows: list[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


def greedy(translator: Translator, lines: list[str]) -> list[str]:
    return [result.text for result in translator(lines, GreedySearch())]
