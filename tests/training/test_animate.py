"""The animation of a decoding: the whole picture, then one more row per output token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from keras_attention.text import Translation
from keras_attention.text.runs import RunDirectory
from tests.export.toy import toy_run
from tests.shared import made_once
from training.animate import main
from training.pictures.animation import animate, so_far

pytestmark = pytest.mark.usefixtures("eager")

RESULT = Translation("7-", -1.0, ["7", "-", "⏎"], ["a", "␣", "⏎"], np.eye(3), is_complete=True)
SQUARE = 30 * 30  # dots


def dark_squares(frame: Image.Image) -> int:
    """The number of weights equal to 1."""
    colours = np.asarray(frame.convert("RGB"), "int32")
    is_dark = np.abs(colours - [8, 48, 107]).max(axis=-1) < 12
    return round(is_dark.sum() / SQUARE)


def test_rows_appear_one_after_the_other(tmp_path: Path) -> None:
    out = tmp_path / "new" / "decoding.gif"
    assert animate(RESULT, out) == ""
    squares, durations = [], []
    with Image.open(out) as gif:
        assert gif.info["loop"] == 0  # forever
        for frame in ImageSequence.Iterator(gif):
            squares.append(dark_squares(frame))
            durations.append(frame.info["duration"])
    assert squares == [3, 1, 2, 3]
    assert durations == [2000, 500, 500, 500]


def test_the_title_grows_with_the_output() -> None:
    title = "a long\nsource → b\n→ no\nvayas"  # in lines, as a picture has it
    result = Translation("no vayas", -1.0, ["␣no", "␣va", "yas", "⏎"], ["a"], np.eye(1), True)
    shown = [so_far(title, result, step).rpartition("→")[2] for step in range(4)]
    assert shown == [" no", " no\nva", " no\nvayas", " no\nvayas"]
    unknown = Translation("⁇", -1.0, ["�", "⏎"], ["a"], np.eye(1), is_complete=True)
    assert so_far("a\n→ ⁇", unknown, 1) == "a\n→ ⁇"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(made_once(tmp_path_factory, "runs/toy", toy_run))


def test_the_program(toy: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "decoding.gif"
    assert main([str(toy.path), "abc 12", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"Wrote {out}\n"
    with Image.open(out) as gif:
        assert len(list(ImageSequence.Iterator(gif))) > 1
    assert out.stat().st_size < 300_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "--out", "a.gif"), "at least one output token"),
        (("abc", "--out", "a.png"), "--out must name a file that ends in .gif. Received: a.png"),
    ],
)
def test_errors_of_use(
    toy: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(toy.path), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
