from __future__ import annotations

from pathlib import Path

import pytest

from keras_attention import Translation
from keras_attention.runs import RunDirectory
from training import evaluate
from training.translation import references_by_source, report_translation


def translation(text: str, is_complete: bool = True) -> Translation:
    return Translation(text, -1.0, [], [], None, is_complete)


def test_the_numbers_of_a_report() -> None:
    pairs = [
        ("uno dos", "the cat sat on the mat"),
        ("uno dos tres", "no"),
        ("uno dos", "a cat sat on a mat"),
        ("uno dos tres cuatro", "A dog barks at the moon"),
    ]
    targets = references_by_source(pairs)
    assert list(targets.values()) == [
        ["the cat sat on the mat", "a cat sat on a mat"],
        ["no"],
        [pairs[3][1]],
    ]
    outputs = ["a cat sat on a mat", "no", "a dog barks at the moon"]
    results = [translation(outputs[0]), translation(outputs[1], False), translation(outputs[2])]
    report = report_translation(targets, results)
    assert report.pairs == 3
    assert report.complete == pytest.approx(2 / 3)
    assert report.bleu_lowercase.score == pytest.approx(100)
    assert report.bleu.score < 95
    assert [(row.words, row.sources) for row in report.by_length] == [("2", 1), ("3", 1), ("4", 1)]
    assert report.by_length[0].bleu == pytest.approx(100)
    assert report.by_length[2].bleu_lowercase == pytest.approx(100)
    assert report.by_length[2].bleu == pytest.approx(76, abs=10)
    lines = str(report).splitlines()
    assert lines[0].split() == ["sources", "3"]
    assert lines[1].split() == ["complete", "66.67%"]
    assert lines[5].split() == ["words", "of", "the", "source", "sources", "BLEU", "lower-cased"]
    assert lines[6].split() == ["2", "1", "100.00", "100.00"]


def test_a_test_set_of_ones_own(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv, out = tmp_path / "test.tsv", tmp_path / "out.txt"
    tsv.write_text("1979-05-03\t3 May 1979\n1980-05-04\t4 May 1980\n1979-05-30\t3 May 1979\n")
    assert evaluate.main([str(run.path), "--tsv", str(tsv), "--swap", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("sources                    2\n")
    lines = out.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0] == lines[2]


def test_a_source_that_is_too_long_is_named(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv = tmp_path / "test.tsv"
    tsv.write_text(f"a\tb\na\tc\n{'9' * 48}\td\n")
    assert evaluate.main([str(run.path), "--tsv", str(tsv)]) == 2
    assert "error: Text 3 has 49 tokens" in capsys.readouterr().err


def test_dates_write_no_file(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(run.path), "--out", str(tmp_path / "x")]) == 2
    assert "--out is for a test set" in capsys.readouterr().err
