from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from keras_attention import Translator
from keras_attention.text.runs import RunDirectory
from training.score import main

pytestmark = pytest.mark.usefixtures("eager")
PAIRS = [("3 May 1979", "1979-05-03"), ("4 May 1980", "1980-05-04"), ("3 May 1979", "1979-05-30")]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_text("".join(f"{pair[0]}\n" for pair in PAIRS))
    target.write_text("".join(f"{pair[1]}\n" for pair in PAIRS))
    return "--source", str(source), "--target", str(target)


def test_a_line_for_each_pair(
    run: RunDirectory,
    translator: Translator,
    files: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(run.path), *files]) == 0
    out, err = capsys.readouterr()
    rows = [[float(cell) for cell in line.split("\t")] for line in out.splitlines()]
    expected = translator.score(*zip(*PAIRS, strict=True))
    assert len(rows) == 3
    for (total, tokens, mean), score in zip(rows, expected, strict=True):
        assert tokens == len(score.tokens) == 11
        assert total == pytest.approx(score.log_probability, abs=1e-4)
        assert mean == pytest.approx(total / 11, abs=1e-6)
    perplexity = math.exp(-sum(row[0] for row in rows) / 33)
    assert err == f"3 pairs, 33 tokens, perplexity {perplexity:.3f}\n"


def test_two_of_several_columns_are_a_test_set(
    run: RunDirectory,
    files: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tsv = tmp_path / "numbered.tsv"
    tsv.write_text("".join(f"{n}\t{b}\t{a}\n" for n, (a, b) in enumerate(PAIRS)))
    assert main([str(run.path), *files]) == 0
    expected = capsys.readouterr()
    assert main([str(run.path), "--tsv", str(tsv), "--columns", "2", "1"]) == 0
    assert capsys.readouterr() == expected
    assert main([str(run.path), "--tsv", str(tsv)]) == 2
    message = "A line must be SOURCE TAB TARGET; to use two of several columns, set --columns 0 1."
    assert message in capsys.readouterr().err


def test_the_right_date_is_likelier_than_a_wrong_one(
    run: RunDirectory, files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), *files, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pairs"], report["tokens"]) == (3, 33)
    right, _, wrong = (score["log_probability"] for score in report["scores"])
    assert right > wrong + 1.0
    assert report["perplexity"] == pytest.approx(math.exp(-report["log_probability"] / 33))


def test_the_held_out_pairs_are_scored_where_none_are_named(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(run.held_out()) == 41


def test_two_columns_and_alignments(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv, alignments = tmp_path / "pairs.tsv", tmp_path / "alignments.txt"
    tsv.write_text("".join(f"{target}\t{source}\n" for source, target in PAIRS))
    arguments = (str(run.path), "--tsv", str(tsv), "--swap", "--alignments", str(alignments))
    assert main(arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    lines = alignments.read_text().splitlines()
    assert len(lines) == 3
    assert set(lines) <= {"0-0", "1-0", "2-0"}  # an ISO date is one word


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "a\tb\n" + "9" * 48 + "\tb\n",
            "Source 2 has 49 tokens including the end token, but the model takes",
        ),
        ("a\tb\na\t" + "9" * 200 + "\n", "Target 2 has 201 tokens including the end token"),
        ("a\tb\na\t\n", "empty (1)"),
        ("a\tb\nc\n", "wrong number of columns (1)"),
    ],
)
def test_pairs_that_cannot_be_scored(
    lines: str,
    message: str,
    run: RunDirectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tsv = tmp_path / "pairs.tsv"
    tsv.write_text(lines)
    assert main([str(run.path), "--tsv", str(tsv)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_options_that_do_not_go_together(
    run: RunDirectory, files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), *files[:2]]) == 2
    assert "A test set must be --source with --target, or --tsv" in capsys.readouterr().err
    assert main([str(run.path), *files, "--tsv", files[1]]) == 2
    assert "A test set must be --source with --target, or --tsv" in capsys.readouterr().err
    assert main([str(run.path), *files, "--swap"]) == 2
    assert "`swap` requires `tsv`" in capsys.readouterr().err
