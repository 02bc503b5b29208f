from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import image

from keras_attention.text.runs import RunDirectory
from tests.variants import variants
from training.plot_attention import main

pytestmark = pytest.mark.usefixtures("eager")


@variants("texts", [[], ["3 may 1979", "5月"]])
def test_the_program(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], texts: list[str]
) -> None:
    out = tmp_path / "attention.png"
    for arguments in ([*texts, "--out", str(out)], ["--out", str(out), *texts]):
        assert main([str(run.path), *arguments]) == 0
        assert capsys.readouterr().out == f"Wrote {out}\n"
    height, width, _ = image.imread(out).shape
    assert height > 300
    assert width > 300


@pytest.mark.thorough
def test_another_run_beside_it(run: RunDirectory, tmp_path: Path) -> None:
    alone, beside = tmp_path / "alone.png", tmp_path / "beside.png"
    assert main([str(run.path), "3 may 1979", "--out", str(alone)]) == 0
    arguments = [str(run.path), "--beside", str(run.path), "3 may 1979", "--out", str(beside)]
    assert main(arguments) == 0
    assert image.imread(beside).shape[1] == pytest.approx(2 * image.imread(alone).shape[1], rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "--out", "a.png"), "at least one output token"),
        (("9" * 48, "--out", "a.png"), "Text 1 has 49 tokens"),
        (("3 may", "--out", "a.jpeg2"), "must end in one of .png, .svg, .pdf. Received: a.jpeg2"),
        (
            ("3 may", "--out", "attention"),
            "must end in one of .png, .svg, .pdf. Received: attention",
        ),
    ],
)
def test_errors_of_use(
    run: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(run.path), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no"), "--out", str(tmp_path / "a.png")]) == 2
    assert "There is no run directory" in capsys.readouterr().err
