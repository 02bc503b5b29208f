from __future__ import annotations

from pathlib import Path

import pytest

from training.corpora.files import DATA_VARIABLE, data_folder, found_files, use_data_folder
from training.corpora.pairs import CorpusFiles, read_corpus
from training.program import CorpusError
from training.train import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory; the variable is restored afterwards, whoever sets it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv(DATA_VARIABLE, "")


def write(path: Path, text: str = "a\tb\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_relative_name_is_looked_for_here_and_then_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_folder() == Path("data")
    write(Path("data/set/train.tsv"), "in\tdata\n")
    assert found_files("tsv", ["set/train.tsv"]) == ["data/set/train.tsv"]

    there = tmp_path / "corpora [1]"  # a folder name is not a pattern
    write(there / "set/train.tsv", "in\tthe folder\n")
    write(there / "set/more/2.tsv")
    write(there / "set/more/1.tsv")
    monkeypatch.setenv(DATA_VARIABLE, str(there))
    files = CorpusFiles(tsv=["set/train.tsv"])
    assert read_corpus(files).pairs == [("in", "the folder")]
    assert read_corpus(files).report.files == (str(there / "set/train.tsv"),)
    assert files.tsv == ("set/train.tsv",)  # what a run records is the same on every machine
    more = [str(there / f"set/more/{n}.tsv") for n in (1, 2)]
    assert found_files("tsv", ["set/more/*.tsv"]) == more
    assert found_files("tsv", ["**/?.tsv", "s*/train.tsv"]) == [*more, str(there / "set/train.tsv")]

    write(Path("set/train.tsv"), "in\tthe current directory\n")
    assert read_corpus(files).pairs == [("in", "the current directory")]
    assert found_files("tsv", ["set/*.tsv"]) == ["set/train.tsv"]
    assert found_files("tsv", ["set/more/1.tsv"]) == more[:1]
    absolute = [str(there / "set/train.tsv"), *more]
    assert found_files("tsv", absolute) == absolute


def test_a_missing_file_is_looked_for_in_places_that_the_error_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "corpora"))
    for name in ("absent.tsv", "absent-*.tsv"):
        with pytest.raises(CorpusError) as error:
            found_files("tsv", [name])
        assert str(error.value) == (
            f"Argument `tsv` must name existing files. There is no file '{name}' in "
            f"{tmp_path / 'here'} or in the data folder {tmp_path / 'corpora'} (set the data "
            "folder with --data or KERAS_ATTENTION_DATA)"
        )
    absolute = str(tmp_path / "absent.tsv")
    with pytest.raises(CorpusError, match=rf"There is no file '{absolute}'$"):
        found_files("tsv", [absolute])


def test_a_data_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"must exist. Received: 'nowhere'"):
        use_data_folder("nowhere")
    assert data_folder() == Path("data")
    use_data_folder(tmp_path)
    assert data_folder() == tmp_path


def test_the_program_takes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without training: the corpus is found but too small for the held-out pairs."""
    write(tmp_path / "corpora/set/train.tsv")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "other"))
    command = ["--recipe", "corpus", "--out", "run", "data.train.tsv=[set/train.tsv]"]
    assert main(command) == 2
    assert f"or in the data folder {tmp_path / 'other'} (set" in capsys.readouterr().err
    assert main([*command, "--data", str(tmp_path / "corpora")]) == 2
    assert "The corpus is too small" in capsys.readouterr().err
    assert main([*command, "--data", "nowhere"]) == 2
    assert "error: The data folder must exist. Received: 'nowhere'" in capsys.readouterr().err
