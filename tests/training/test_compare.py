"""The program, on a toy run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keras_attention import Translator
from keras_attention.text.runs import RunDirectory
from training import evaluate
from training.compare import main

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    path = tmp_path / "test.tsv"
    path.write_text("3 May 1979\t1979-05-03\n4 May 1980\t1980-05-04\n4 May 1980\tMay 4\n")
    return path


def test_runs_ensembles_and_outputs(
    run: RunDirectory,
    translator: Translator,
    test_set: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, perfect = tmp_path / "out.txt", tmp_path / "perfect.txt"
    assert evaluate.main([str(run.path), "--tsv", str(test_set), "--out", str(out)]) == 0
    perfect.write_text("1979-05-03\n1980-05-04\n1980-05-04\n")
    capsys.readouterr()
    systems = [f"run={run.path}", f"two={run.path}+{run.path},{out}", f"perfect={perfect}"]
    assert main([*systems, "--tsv", str(test_set), "--json"]) == 0
    exact, rate = json.loads(capsys.readouterr().out)
    assert (exact["metric"], rate["metric"]) == ("exact_match", "token_error_rate")
    assert (exact["sources"], [row["name"] for row in exact["rows"]]) == (
        2,
        ["run", "two", "perfect"],
    )
    texts = [result.text for result in translator(["3 May 1979", "4 May 1980"])]
    right = (texts[0] == "1979-05-03") + (texts[1] in ("1980-05-04", "May 4"))
    assert exact["rows"][0]["seeds"] == [right / 2]
    assert exact["rows"][1]["seeds"] == [right / 2] * 2
    assert exact["rows"][2]["seeds"] == [1.0]
    assert rate["rows"][2]["seeds"] == [0.0]


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        (["one.txt"], "There must be at least two systems of different names"),
        (["one.txt", "two.txt"], "--metric is required where all systems are files"),
        (
            ["one.txt", "two.txt", "--metric", "bleu"],
            "each of the 3 pairs. Received: two.txt with 1",
        ),
    ],
)
def test_what_cannot_be_compared(
    systems: list[str],
    message: str,
    test_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.txt").write_text("1979-05-03\n1980-05-04\n1980-05-04\n")
    Path("two.txt").write_text("1979-05-03\n")
    assert main([*systems, "--tsv", str(test_set)]) == 2
    assert message in capsys.readouterr().err
    if len(systems) > 1:
        assert main(systems) == 2
        assert "Files of outputs need a test set" in capsys.readouterr().err
