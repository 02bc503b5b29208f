"""Comparison of corpus runs with and without attention, as the real entry point leaves them."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from keras_attention import Seq2Seq, Translator
from keras_attention.text.runs import RunDirectory
from tests.eager import eagerly
from tests.training.conftest import SMALL_CORPUS
from training import compare_lengths, evaluate, score, train
from training.evaluation.metrics import bleu

pytestmark = pytest.mark.usefixtures("eager")
WORDS = {
    "red": "rojo",
    "old": "viejo",
    "house": "casa",
    "cat": "gato",
    "tree": "árbol",
    "sea": "mar",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs on the same pairs, whose files no longer exist."""
    folder, pick = tmp_path_factory.mktemp("compared"), random.Random(3)
    rows = [pick.choices(list(WORDS), k=1 + n % 11) for n in range(300)]
    lines = (f"{' '.join(row)}\t{' '.join(WORDS[word] for word in row)}\n" for row in rows)
    pairs = folder / "pairs.tsv"
    pairs.write_text("".join(dict.fromkeys(lines)), encoding="utf-8")
    few = ("training.steps=4", "training.steps_per_epoch=2", "training.warmup_steps=1")
    command = ["--recipe", "corpus", f"data.train.tsv=[{pairs}]", *SMALL_CORPUS, *few]
    with eagerly():
        assert train.main([*command, "--out", str(folder / "with")]) == 0
    pairs.unlink()
    # The second as if it had been trained without attention.
    trained = RunDirectory(folder / "with")
    other = RunDirectory(shutil.copytree(trained.path, folder / "without"))
    Seq2Seq(replace(trained.model().config, attention=None)).save(other.model_file)
    config = other.config_file.read_text(encoding="utf-8")
    assert "  attention: bahdanau\n" in config
    other.config_file.write_text(config.replace("attention: bahdanau", "attention: null"))
    return [str(run.path) for run in (trained, other)]


def test_two_runs(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "curve.png"
    names = ["--name", "with attention", "--name", "without"]
    options = [*names, "--resamples", "50", "--beam-width", "2", "--out", str(picture)]
    assert compare_lengths.main([*options, *runs]) == 0
    out = capsys.readouterr().out
    assert compare_lengths.main([runs[0], *options, runs[1]]) == 0
    assert capsys.readouterr().out == out
    assert "with attention - without" in out.splitlines()[0]
    assert "on the longest third" in out.splitlines()[-1]
    assert imread(picture).shape == (750, 1050, 4)

    assert compare_lengths.main([*runs, "--resamples", "50", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["names"] == ["with", "without"]
    pairs = RunDirectory(runs[0]).held_out()
    assert sum(row["sources"] for row in report["rows"]) == len({source for source, _ in pairs})
    for run, measured in zip(runs, report["whole"]["bleu"], strict=True):
        assert evaluate.main([run, "--json"]) == 0
        expected = json.loads(capsys.readouterr().out)
        assert measured["value"] == pytest.approx(expected["bleu"][0])
        assert expected["bleu"][1] == report["signature"]


@pytest.mark.thorough
def test_three_runs_on_a_test_set(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv = tmp_path / "test.tsv"
    tsv.write_text("Red cat\tRojo gato\nold\tviejo\nred cat\trojo gato\n")
    three = [runs[0], runs[1], runs[0]]
    arguments = [*three, "--tsv", str(tsv), "--lowercase", "--resamples", "20", "--json"]
    assert compare_lengths.main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["whole"]["sources"] == 3
    assert len(report["whole"]["differences"]) == 2
    assert report["whole"]["differences"][1] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "case:lc" in report["signature"]


def test_evaluate_needs_the_run_alone(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "out.txt"
    assert evaluate.main([runs[0], "--out", str(file), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    pairs = RunDirectory(runs[0]).held_out()
    lines = file.read_text(encoding="utf-8").splitlines()
    translator = Translator.from_run(runs[0])
    assert lines == [result.text for result in translator([source for source, _ in pairs])]
    outputs = {source: line for (source, _), line in zip(pairs, lines, strict=True)}
    assert report["sources"] == len(outputs)
    by_length = report["by_length"]
    assert sum(row["sources"] for row in by_length) == len(outputs)
    first = by_length[0]["words"].split("-")
    short = [pair for pair in pairs if int(first[0]) <= len(pair[0].split()) <= int(first[-1])]
    assert by_length[0]["sources"] == len({source for source, _ in short})
    expected = bleu([outputs[source] for source, _ in short], [target for _, target in short])
    assert by_length[0]["bleu"] == pytest.approx(expected.score)


def test_evaluate_says_which_search(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [runs[0], "--beam-width", "1", "--json", "--pairs", "7"]
    assert evaluate.main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sources"] <= 7
    assert evaluate.main([runs[0], "--beam-width", "0"]) == 2
    assert "`width` must be a positive integer" in capsys.readouterr().err


def test_alignments_need_attention(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alignments.txt"
    assert score.main([runs[0], "--alignments", str(file)]) == 0
    pairs = RunDirectory(runs[0]).held_out()
    lines = file.read_text().splitlines()
    assert len(lines) == len(pairs)
    for line, (source, target) in zip(lines, pairs, strict=True):
        aligned = [tuple(int(n) for n in pair.split("-")) for pair in line.split()]
        assert sorted(t for _, t in aligned) == list(range(len(target.split())))
        assert all(s < len(source.split()) for s, _ in aligned)
    capsys.readouterr()
    assert score.main([runs[1], "--alignments", str(file)]) == 2
    assert "requires a model with attention" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There must be at least two runs"),
        (["{run}", "--name", "one"], "Received: 1 names, 2 runs"),
        (["{run}", "--out", "curve.txt"], "one of .png, .svg, .pdf. Received: curve.txt"),
        (["{run}", "--buckets", "0"], "--buckets must be positive. Received: 0"),
        (["nowhere"], "There is no run directory nowhere"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], message: str, runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("{run}", runs[1]) for argument in arguments]
    assert compare_lengths.main([runs[0], *given]) == 2
    assert message in capsys.readouterr().err


def test_runs_that_hold_out_other_pairs(
    runs: list[str], run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_lengths.main([runs[0], str(run.path)]) == 2
    assert "these hold out different pairs" in capsys.readouterr().err
