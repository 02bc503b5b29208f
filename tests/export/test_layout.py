from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from export.__main__ import main
from export.layout import check_places, make_room
from export.pipeline import export_run
from export.verify.__main__ import main as verify
from export.verify.report import write
from keras_attention.text.runs import RunDirectory

OURS = {"artefacts": {}, "versions": {"keras-seq2seq-attention": "0.1.0"}}


def files(folder: Path) -> dict[str, bytes | None]:
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{}",
        "[]",
        "not JSON",
        '{"model_type": "marian", "versions": {"transformers": "4.0"}}',
        '{"artefacts": {"onnx": []}}',
        '{"artefacts": {"onnx": []}, "versions": "keras-seq2seq-attention"}',
    ],
)
def test_a_strangers_folder_stays_as_it_is(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str | None
) -> None:
    out = tmp_path / "stranger"
    (out / "onnx").mkdir(parents=True)
    (out / "onnx" / "model.onnx").write_bytes(b"theirs")
    (out / "README.md").write_text("# Theirs\n")
    if config is not None:
        (out / "config.json").write_text(config)
    before = files(out)
    assert main([str(run.path), str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out} is neither empty nor an earlier export")
    assert files(out) == before


@pytest.mark.parametrize("left", [[], [".verified"], [".unfinished", "onnx/beam.onnx"]])
def test_a_folder_without_an_export_of_anybody(tmp_path: Path, left: list[str]) -> None:
    out = tmp_path / "out"
    check_places(tmp_path / "run", out)
    for name in left:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    check_places(tmp_path / "run", out)


def test_room_is_made_in_an_earlier_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for folder in ("onnx", "browser", "mlserver"):
        (out / folder).mkdir(parents=True)
    (out / "config.json").write_text(json.dumps(OURS))
    (out / "notes.txt").write_text("the user's own")
    for name in ("onnx/beam.onnx", "verification.json", "attention.png", ".verified", "README.md"):
        (out / name).touch()
    check_places(tmp_path / "run", out)
    make_room(out)
    assert {path.name for path in out.iterdir()} == {".unfinished", "README.md", "notes.txt"}


@pytest.mark.thorough
def test_links_in_an_earlier_export_are_replaced_and_never_followed(
    run: RunDirectory, exported: Path, tmp_path: Path
) -> None:
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    shutil.copytree(exported, theirs)
    out.mkdir()
    names = [path.name for path in exported.iterdir()]
    for name in (*names, ".unfinished", "verification.json", "attention.png"):
        (out / name).symlink_to(theirs / name)
    (out / "partial-README.md").symlink_to(theirs / "README.md")
    before = files(theirs)
    export_run(run.path, out, ["onnx"])
    write(out, [])
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert {path.name for path in out.iterdir()} == {
        *{*names} - {"saved_model", "tflite"},
        "verification.json",
    }
    assert files(theirs) == before


@pytest.mark.thorough
def test_another_export_replaces_what_speaks_of_the_one_before(
    run: RunDirectory, exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(exported, out)
    for name in ("verification.json", "attention.png", ".verified"):
        (out / name).touch()
    export_run(run.path, out, ["onnx"])
    left = {path.name for path in exported.iterdir()} - {"saved_model", "tflite"}
    assert {path.name for path in out.iterdir()} == left
    assert list(json.loads((out / "config.json").read_text())["artefacts"]) == ["onnx"]
    assert "Not verified yet." in (out / "README.md").read_text()


@pytest.mark.parametrize("place", [".", "export", "..", "../../{parent}/toy"])
def test_out_is_apart_from_the_run_directory(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    before = files(run.path)
    out = run.path / place.format(parent=run.path.parent.name)
    assert main([str(run.path), str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: OUT must not be the run directory")
    assert files(run.path) == before


def test_out_is_a_file(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("theirs")
    assert main([str(run.path), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'out'} is not a directory.")
    assert (tmp_path / "out").read_text() == "theirs"


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("model.keras", lambda whole: whole[: len(whole) // 2], "model.keras"),
        ("model.keras", lambda whole: b"", "model.keras"),
        ("model.keras", lambda whole: b"a shopping list", "model.keras"),
        ("config.yaml", lambda whole: b"- a\n- list\n", "config.yaml"),
        ("source.model", lambda whole: b"a shopping list", "SentencePiece model"),
    ],
)
def test_a_damaged_run_costs_no_export(
    run: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: Callable[[bytes], bytes],
    named: str,
) -> None:
    damaged, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(run.path, damaged)
    (damaged / file).write_bytes(content((run.path / file).read_bytes()))
    out.mkdir()
    (out / "config.json").write_text(json.dumps(OURS))
    assert main([str(damaged), str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line
    assert [path.name for path in out.iterdir()] == ["config.json"]


def test_an_export_is_no_run(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(exported), str(tmp_path / "out")]) == 2
    assert verify([str(exported), "--run", str(exported)]) == 1
    for line in capsys.readouterr().err.splitlines():
        assert line == f"error: {exported} is an export, not a run directory."
    assert not (tmp_path / "out").exists()
