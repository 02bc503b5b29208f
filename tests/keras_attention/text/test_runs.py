from __future__ import annotations

from pathlib import Path

import keras
import pytest

from keras_attention import RunDirectory

NEEDED = ("config.yaml", "source.model", "target.model", "model.keras", "held_out.tsv")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """All files of a run by name, empty."""
    for name in NEEDED:
        (tmp_path / name).touch()
    return RunDirectory(str(tmp_path))


def test_a_complete_run_is_given_back(run: RunDirectory) -> None:
    assert run.require_complete() is run


@pytest.mark.parametrize("name", NEEDED)
def test_the_error_names_the_file_that_is_missing(run: RunDirectory, name: str) -> None:
    (run.path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{run.path} is incomplete: {name} missing"):
        run.require_complete()


def test_the_error_names_all_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"incomplete: {', '.join(NEEDED)} missing"):
        RunDirectory(tmp_path).require_complete()


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"There is no run directory .*nowhere. Train first"
    ):
        RunDirectory(tmp_path / "nowhere").require_complete()


def test_the_configuration(run: RunDirectory) -> None:
    text = "name: größe\ndata: {}\nsearch: {beam_width: 3}\n"
    run.config_file.write_text(text, encoding="utf-8")
    config = run.config()
    assert (config["name"], config["search"]["beam_width"]) == ("größe", 3)
    assert config["data"]["max_source_length"] == 64  # what a file does not say has its default


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "config.yaml: it must be a section. Received: a list of 1"),
        ("name: a\n", "config.yaml: `data` is missing; `search` is missing"),
    ],
)
def test_a_damaged_configuration(run: RunDirectory, text: str, message: str) -> None:
    run.config_file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        run.config()


def test_damaged_files_are_named(run: RunDirectory) -> None:
    run.model_file.write_bytes(b"PK")
    with pytest.raises(
        ValueError, match=r"model.keras is a damaged archive: File is not a zip file"
    ):
        run.model()
    run.source_model.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"source.model is not a tokenizer"):
        run.tokenizers()


def test_held_out_pairs_are_split_at_line_feeds_alone(run: RunDirectory) -> None:
    pairs = [("a\u2028b\x85c\x0bd\r", "é"), ("e f", "g"), ("5月", "")]
    run.held_out_file.write_bytes("".join(f"{s}\t{t}\n" for s, t in pairs).encode())
    assert run.held_out() == pairs


def test_a_model_of_another_kind_is_an_error(run: RunDirectory) -> None:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(run.model_file)
    with pytest.raises(
        ValueError, match=r"model.keras is not a model of a run: it names a class .*'Sequential'"
    ):
        run.model()


@pytest.mark.parametrize("row", [b"one column", b"caf\xe9\tcoffee"])
def test_held_out_pairs_that_no_training_wrote(row: bytes, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.held_out_file.write_bytes(b"a\tb\n\n" + row + b"\n")
    message = r"held_out.tsv, line 3 must be a source, a tab and a target in UTF-8. Received: b'"
    with pytest.raises(ValueError, match=message):
        run.held_out()
