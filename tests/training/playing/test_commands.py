from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.documents import ROOT
from training.playing.commands import COUNT, GERMAN, main, pairs, translated


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("don't eat the big pizza", "iss die große Pizza nicht"),
        (
            "eat the delicious looking and smelling pizza",
            "iss die lecker aussehende und riechende Pizza",
        ),
        ("don't cut the soup and buy the pear", "schneide die Suppe nicht und kauf die Birne"),
        ("cut the soup and don't buy the pear", "schneide die Suppe und kauf die Birne nicht"),
    ],
)
def test_the_negation_waits_for_the_noun(english: str, german: str) -> None:
    assert " ".join(translated(english.split())) == german


def test_the_lecture_has_the_same_sentences() -> None:
    cells = (ROOT / "docs" / "lecture.md").read_text("utf-8").split("```{code-cell} python\n")
    (code,) = [cell.split("```")[0] for cell in cells if "def sentence(" in cell]
    found: dict[str, Any] = {"np": np}
    exec(code, found)
    assert found["GERMAN"] == GERMAN
    rng = np.random.default_rng(1)
    drawn = [found["sentence"](length, rng) for length in range(2, 30)]
    assert [target for _, target in drawn] == [translated(source) for source, _ in drawn]


def test_the_file(tmp_path: Path) -> None:
    assert main([str(tmp_path / "data" / "commands.tsv")]) == 0
    rows = (tmp_path / "data" / "commands.tsv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == COUNT
    source, target = rows[0].split("\t")
    assert " ".join(translated(source.split())) == target
    words = {word for row in rows for word in row.split("\t")[0].split()}
    assert words == set(GERMAN)
    assert max(len(row.split("\t")[0].split()) for row in rows) < 40  # what the recipe reads


def test_sentences_are_the_same_for_the_same_seed() -> None:
    assert pairs(20, seed=3) == pairs(20, seed=3) != pairs(20, seed=4)
