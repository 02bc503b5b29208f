from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from export.summary import main
from export.verify.__main__ import main as verify


@pytest.fixture(scope="module")
def verified(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy export with ONNX alone, verified."""
    out = tmp_path_factory.mktemp("verified") / "out"
    shutil.copytree(exported, out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    config["artefacts"] = {"onnx": config["artefacts"]["onnx"]}
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert verify([str(out)]) == 0
    return out


@pytest.fixture
def out(verified: Path, tmp_path: Path) -> Path:
    shutil.copytree(verified, tmp_path / "out")
    return tmp_path / "out"


def edit(file: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def assert_not_verified(out: Path, words: str, *lines: str) -> None:
    assert "NOT VERIFIED" in words
    assert "All artefacts match" not in words
    assert "| ok " not in words
    assert [line for line in words.splitlines() if line.startswith("  onnx/")] == [
        f"  {line}" for line in lines
    ]
    assert f"python -m export.verify {out}" in words


def test_all_is_well(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(out)]) == 0
    words = capsys.readouterr().out
    assert words.count("| ok ") == 4
    assert "NOT VERIFIED" not in words
    assert "MISSING" not in words
    assert f"in {out / 'README.md'}" in words.splitlines()[-2]


def test_a_changed_artefact(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (out / "onnx" / "beam.onnx").open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)[0]
        file.seek(1000)
        file.write(bytes([byte ^ 1]))
    assert main([str(out)]) == 1
    changed = "onnx/beam.onnx has changed since it was verified"
    assert_not_verified(out, capsys.readouterr().out, changed)


def test_missing_artefacts(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(out / "onnx")
    assert main([str(out)]) == 1
    words = capsys.readouterr().out
    files = [f"onnx/{name}.onnx" for name in ("greedy", "beam", "translate", "score")]
    assert_not_verified(out, words, *(f"{file} is missing" for file in files))
    for file in files:
        assert [line.split()[1:] for line in words.splitlines() if str(out / file) in line] == [
            ["onnx,", "MISSING"]
        ]


def test_a_new_artefact(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copyfile(out / "onnx" / "greedy.onnx", out / "onnx" / "new.onnx")
    edit(out / "config.json", lambda config: config["artefacts"]["onnx"].append("onnx/new.onnx"))
    assert main([str(out)]) == 1
    new = "onnx/new.onnx is new and has not been verified"
    assert_not_verified(out, capsys.readouterr().out, new)


def test_what_was_missing_then_is_new_now(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beam = out / "onnx" / "beam.onnx"
    content = beam.read_bytes()
    beam.unlink()
    assert verify([str(out)]) == 1
    beam.write_bytes(content)
    capsys.readouterr()
    assert main([str(out)]) == 1
    new = "onnx/beam.onnx is new and has not been verified"
    assert_not_verified(out, capsys.readouterr().out, new)


def test_a_terminal_does_not_obey_a_foreign_export(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "All artefacts match the Keras model."
    examples = [{"source": "3. März\x1b[2J", "target": f"1979\r\n\n{said}"}]
    (out / "examples.json").write_text(json.dumps(examples), encoding="utf-8")
    edit(out / "verification.json", lambda content: content.update(table="\x1b]0;\x07| ok |"))
    main([str(out)])
    words = capsys.readouterr().out
    assert f"  3. März\\u001b[2J  ->  1979\\u000d\\u000a\\u000a{said}\n" in words
    assert "\n\\u001b]0;\\u0007| ok |\n" in words
    assert not {"\x1b", "\r", "\x07"} & {*words}


def test_before_the_verification(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "verification.json").unlink()
    assert main([str(out)]) == 1
    assert "Verify first: python -m export.verify" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["config.json", "examples.json", "verification.json"])
@pytest.mark.parametrize("content", ["{", "[7]", '{"rows": [{}], "artefacts": 7}'])
def test_files_of_another_kind(
    out: Path, capsys: pytest.CaptureFixture[str], file: str, content: str
) -> None:
    (out / file).write_text(content)
    assert main([str(out)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert str(out) in line
