from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from keras_attention import Translator
from keras_attention.text import Translation
from keras_attention.text.runs import RunDirectory
from training.dates import DateExample, DatesReport, evaluate_dates, generate
from training.evaluate import main

pytestmark = pytest.mark.usefixtures("eager")
EXAMPLES = [
    DateExample("3 May 1979", "1979-05-03", "en", "d-mmm-yyyy"),
    DateExample("4 May 1980", "1980-05-04", "en", "d-mmm-yyyy"),
    DateExample("5. 6. 2001", "2001-06-05", "de", "d--m--yyyy"),
    DateExample("6. 7. 2002", "2002-07-06", "de", "d--m--yyyy"),
]
ANSWERS = ["1979-05-03", "1980-05-4", "2001-06-05", "2002-07-06"]
YEAR, MONTH, DAY = 8, 3, 0  # a column inside each field of every source above


def translation(text: str, columns: list[int] | None) -> Translation:
    """An answer each of whose characters looks at one column of the source."""
    attention = None
    if columns is not None:
        attention = np.full((len(text) + 1, 11), 0.05)
        attention[np.arange(len(text)), columns] = 0.5
    return Translation(text, -1.0, [*text, "⏎"], list("x" * 11), attention, is_complete=True)


class Stub:
    """A translator that knows the answers."""

    def __init__(self, results: list[Translation]) -> None:
        self.results = results

    def __call__(self, texts: list[str]) -> list[Translation]:
        assert texts == [example.source for example in EXAMPLES]
        return self.results


def report_of(columns: list[list[int] | None]) -> DatesReport:
    pairs = zip(ANSWERS, columns, strict=True)
    return evaluate_dates(Stub([translation(text, given) for text, given in pairs]), EXAMPLES)


def looking(year: int, month: int, day: int, days: int = 2) -> list[int]:
    return [year] * 4 + [10] + [month] * 2 + [10] + [day] * days


def test_the_numbers_of_a_report() -> None:
    right = looking(YEAR, MONTH, DAY)
    columns = [right, right[:9], looking(YEAR, DAY, MONTH), looking(DAY, MONTH, DAY)]
    report = report_of(columns)
    assert report.pairs == 4
    assert report.exact_match == 0.75
    assert report.exact_match_by_locale == {"de": 1.0, "en": 0.5}
    assert report.wrong == [("4 May 1980", "1980-05-04", "1980-05-4")]
    # 8 + 7 + 4 (month and day swapped) + 4 (years wrong) of 8 + 7 + 8 + 8 digits
    assert report.alignment == pytest.approx(23 / 31)


def test_a_report_prints_itself() -> None:
    lines = str(report_of([None] * 4)).splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["pairs", "4"],
        ["exact", "match", "75.00%"],
        ["de", "100.00%"],
        ["en", "50.00%"],
    ]
    assert lines[4:] == ["wrong: '4 May 1980' -> '1980-05-4', not '1980-05-04'"]
    aligned = report_of([looking(YEAR, MONTH, DAY, len(text) - 8) for text in ANSWERS])
    assert aligned.alignment == 1.0
    assert "100.00%" in str(aligned).splitlines()[4]


def test_without_attention_there_is_no_alignment() -> None:
    assert report_of([None] * 4).alignment is None


def test_the_program_reports_what_the_translator_gives(
    run: RunDirectory, translator: Translator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), "--pairs", "43", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    examples = list(generate("test", 43, seed=1))
    results = translator([example.source for example in examples])
    right = [r.text == example.target for r, example in zip(results, examples, strict=True)]
    assert report["pairs"] == 43
    assert report["exact_match"] == pytest.approx(sum(right) / 43)
    assert set(report["exact_match_by_locale"]) == {example.locale for example in examples}
    assert 0.0 < report["alignment"] < 1.0
    assert len(report["wrong"]) == min(10, 43 - sum(right))


def test_the_program_prints_a_table(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--pairs", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("pairs  ")
    assert "digits aligned with their field" in out


def test_an_incomplete_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("name: x\ndata: {task: dates}\nsearch: {}\n")
    assert main([str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "source.model, target.model, model.keras, held_out.tsv missing" in err


@pytest.mark.parametrize("count", ["0", "-3", "many", "1.5", "²"])
def test_the_number_of_pairs_is_positive(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["nowhere", f"--pairs={count}"])
    assert f"--pairs: must be a positive number. Received: '{count}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "note"),
    [
        ("", "all outputs are empty: the model is undertrained"),
        ("vamos ya", "BLEU counts sequences of four words, and no output has four"),
        ("no comas la pizza", None),
    ],
)
def test_why_bleu_is_nothing(
    run: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    note: str | None,
) -> None:
    monkeypatch.setattr(
        Translator, "__call__", lambda _, texts: [translation(output, None) for _ in texts]
    )
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("3 May 1979\tno comas la pizza\n", encoding="utf-8")
    assert main([str(run.path), "--tsv", str(pairs), "--report", "translation"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert [line.split(": ", 1)[1][: len(note or "")] for line in notes] == [note] * (
        note is not None
    )
