from __future__ import annotations

from pathlib import Path

import pytest

from keras_attention import BeamSearch
from keras_attention.text import Translation
from keras_attention.text.runs import RunDirectory
from training import evaluate
from training.evaluation.translation import references_by_source, report_translation

pytestmark = pytest.mark.usefixtures("eager")


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
    report = report_translation(targets, results, BeamSearch(3, 0.5))
    assert report.pairs == 4
    assert report.sources == 3
    assert report.complete == pytest.approx(2 / 3)
    assert report.bleu_lowercase.score == pytest.approx(100)
    assert report.bleu.score < 95
    assert report.chrf_lowercase.score == pytest.approx(100)
    assert report.chrf.score < 99
    assert "case:lc" in report.chrf_lowercase.signature
    assert "case:mixed" in report.chrf.signature
    assert [(row.words, row.sources) for row in report.by_length] == [("2", 1), ("3", 1), ("4", 1)]
    assert report.by_length[0].bleu == pytest.approx(100)
    assert report.by_length[2].bleu_lowercase == pytest.approx(100)
    assert report.by_length[2].bleu == pytest.approx(75.98, abs=0.01)
    lines = str(report).splitlines()
    assert lines[0].split(maxsplit=1) == ["search", "BeamSearch(width=3, length_penalty=0.5)"]
    assert lines[1].split() == ["pairs", "4"]
    assert lines[2].split()[:2] == ["sources", "3"]
    assert lines[3].split()[:2] == ["complete", "66.67%"]
    assert lines[7].split()[:3] == ["chrF,", "lower-cased", "100.00"]
    assert lines[8].split() == ["words", "of", "the", "source", "sources", "BLEU", "lower-cased"]
    assert lines[9].split() == ["2", "1", "100.00", "100.00"]


def test_a_test_set_of_ones_own(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv, out = tmp_path / "test.tsv", tmp_path / "out.txt"
    tsv.write_text("1979-05-03\t3 May 1979\n1980-05-04\t4 May 1980\n1979-05-30\t3 May 1979\n")
    assert evaluate.main([str(run.path), "--tsv", str(tsv), "--swap", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["GreedySearch()", "3", "2"]
    lines = out.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0] == lines[2]


def test_the_run_may_stand_before_and_after_the_test_set(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for n in (1, 2):
        for side, text in (("source", f"{n} May 1979"), ("target", f"1979-05-0{n}")):
            path = tmp_path / f"{n}.{side}"
            path.write_text(f"{text}\n")
            files += [f"--{side}", str(path)]
    reports = []
    for arguments in ([str(run.path), *files], [*files, str(run.path)]):
        assert evaluate.main(arguments) == 0
        reports.append(capsys.readouterr().out)
    assert reports[0].splitlines()[2].split()[:2] == ["sources", "2"]
    assert reports[0] == reports[1]


@pytest.mark.thorough
def test_all_of_a_test_set_unless_less_is_asked_and_told(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv, out = tmp_path / "test.tsv", tmp_path / "out.txt"
    tsv.write_text("3 May 1979\t1979-05-03\n" * 10_007)
    arguments = [str(run.path), "--tsv", str(tsv), "--out", str(out)]
    assert evaluate.main(arguments) == 0
    assert len(out.read_text().splitlines()) == 10_007
    assert capsys.readouterr().err == ""
    assert evaluate.main([*arguments, "--pairs", "17"]) == 0
    assert len(out.read_text().splitlines()) == 17
    assert capsys.readouterr().err == "warning: only the first 17 of 10,007 pairs\n"


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
    assert "--out requires a test set" in capsys.readouterr().err
