"""Scores of given pairs: those of `training.score`, without Keras."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.bulk import reading
from keras_attention import Translator
from keras_attention.text.runs import RunDirectory
from tests.export.bulk.conftest import WITHOUT_KERAS, Bulk, joined
from tests.export.bulk.test_folder import content
from tests.export.toy import MAX_SOURCE, MAX_TARGET, TARGET_ALPHABET
from training.score import main as with_keras

ROOT = Path(__file__).parents[3]
PROBLEMS = [
    ("a", "has 0 tabs, not one between source and target"),
    ("", "has 0 tabs, not one between source and target"),
    ("a\tΑ\tb", "has 2 tabs, not one between source and target"),
    ("a\tΑ\0", "contains NUL characters: it is UTF-16 or no text"),
    (f"{'a' * 13}\tΑ", "has a source of 14 tokens including the end token, but the model takes 13"),
    (f"a\t{'Α' * 11}", "has a target of 12 tokens including the end token, but the model takes 11"),
]


@pytest.fixture(scope="session")
def pairs(lines: list[str]) -> list[tuple[str, str]]:
    """All lengths up to the longest of each side, in no order; unknown tokens, and empty sides."""
    rng = np.random.default_rng(3)
    letters = list(TARGET_ALPHABET)
    targets = ["".join(rng.choice(letters, rng.integers(1, MAX_TARGET))) for _ in lines]
    longest = [("a" * (MAX_SOURCE - 1), "Α"), ("b", "Β" * (MAX_TARGET - 1)), ("", ""), ("c", "")]
    return [*longest, *zip(lines, targets, strict=True), ("d", "☃Γ")]


def rows_of(pairs: list[tuple[str, str]]) -> list[str]:
    return ["\t".join(pair) for pair in pairs]


def assert_scores(rows: list[str], translator: Translator, pairs: list[tuple[str, str]]) -> None:
    expected = translator.score(*zip(*pairs, strict=True))
    for row, score in zip(rows, expected, strict=True):
        total, tokens, mean = map(float, row.split("\t"))
        assert tokens == len(score.tokens)
        assert total == pytest.approx(score.log_probability, abs=1e-4)
        assert mean == pytest.approx(total / tokens, abs=1e-6)


def test_all_that_is_written_and_said_is_what_keras_writes_and_says(
    bulk: Bulk,
    run: RunDirectory,
    pairs: list[tuple[str, str]],
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """But for pairs with an empty side, which a corpus must not have."""
    tsv = tmp_path / "pairs.tsv"
    tsv.write_text(joined(rows_of([pair for pair in pairs if all(map(str.strip, pair))])))
    assert with_keras([str(run.path), "--tsv", str(tsv)]) == 0
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    status, found, said = bulk(tsv.read_bytes(), "--score")
    assert (status, said) == (0, err)
    for row, expected in zip(found.splitlines(), out.splitlines(), strict=True):
        cells, others = row.split("\t"), expected.split("\t")
        assert cells[1] == others[1]
        assert [len(cell.split(".")[1]) for cell in (cells[0], cells[2])] == [6, 6]
        assert list(map(float, cells)) == pytest.approx(list(map(float, others)), abs=1e-4)


def test_several_batches_and_parts_keep_the_order(
    bulk: Bulk,
    translator: Translator,
    pairs: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte order mark, a Windows line ending, and a last line without one."""
    monkeypatch.setattr(reading, "LINES", 19)
    rows = rows_of(pairs)
    data = ("\ufeff" + rows[0] + "\r\n" + "\n".join(rows[1:])).encode()
    for options in (("--batch-tokens", "61"), ("--batch-tokens", "1", "--threads", "3")):
        status, out, err = bulk(data, "--score", *options)
        assert status == 0
        assert err.startswith(f"{len(pairs)} pairs, ")
        assert_scores(out.splitlines(), translator, pairs)


def test_lines_with_problems(
    bulk: Bulk,
    translator: Translator,
    pairs: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "LINES", 5)
    bad, messages = zip(*PROBLEMS, strict=True)
    data = joined([*rows_of(pairs[:7]), *bad, *rows_of(pairs[7:])]).encode()
    status, out, err = bulk(data, "--score")
    assert (status, out) == (2, "")
    advice = "use --on-problem empty to leave such lines empty"
    assert err == f"error: Standard input, line 8 {messages[0]} ({advice})\n"
    status, out, err = bulk(data, "--score", "--on-problem", "empty")
    rows = out.splitlines()
    assert (status, rows[7:13]) == (3, [""] * 6)
    assert_scores(rows[:7] + rows[13:], translator, pairs)
    *warnings, total = err.splitlines()
    assert warnings == [
        f"warning: line {number}: left empty: it {message}"
        for number, message in enumerate(messages, start=8)
    ]
    assert total.startswith(f"{len(pairs)} pairs, ")


def test_input_with_nothing_to_score(bulk: Bulk) -> None:
    assert bulk(b"", "--score") == (0, "", "")
    warning = f"warning: line 1: left empty: it {PROBLEMS[0][1]}\n"
    assert bulk(b"a\n", "--score", "--on-problem", "empty") == (3, "\n", warning)


def test_a_folder_interrupted_or_not(
    bulk: Bulk, translator: Translator, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    """The same bytes whatever the number of processes and threads; never mixed with others."""
    source, one, two = (tmp_path / name for name in ("in", "one", "two"))
    source.mkdir()
    rows = rows_of(pairs)
    (source / "a.tsv").write_text(joined(rows[:20]))
    (source / "b.tsv.gz").write_bytes(gzip.compress(joined(rows[20:]).encode()))
    status, out, err = bulk(b"", source, two, "--score", "--workers", "2")
    assert (status, out) == (0, "")
    assert err.startswith(f"2 files, {len(pairs)} pairs, ")
    found = (two / "a.tsv").read_text() + gzip.decompress((two / "b.tsv.gz").read_bytes()).decode()
    assert_scores(found.splitlines(), translator, pairs)
    assert bulk(b"", source, one, "--score", "--threads", "3")[0] == 0
    assert content(one) == content(two)
    (two / "a.tsv").unlink()
    status, _, err = bulk(b"", source, two, "--score")
    assert status == 0
    skipped, total = err.splitlines()
    assert skipped == "1 of 2 files are finished: skipped."
    assert total.startswith("1 files, 20 pairs, ")
    assert content(one) == content(two)
    status, _, err = bulk(b"", source, two)
    assert (status, f"{two} was made with function score. Choose" in err) == (2, True)


def test_a_process_without_keras(
    exported: Path, translator: Translator, pairs: list[tuple[str, str]]
) -> None:
    command = [sys.executable, "-c", WITHOUT_KERAS, str(exported), "--score"]
    data = joined(rows_of(pairs)).encode()
    done = subprocess.run(command, input=data, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    assert_scores(done.stdout.decode().splitlines(), translator, pairs)


def test_the_precision_chooses_the_file(exported: Path, bulk: Bulk, tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    for name in ("config.json", "source.model", "target.model"):
        shutil.copy(exported / name, tmp_path)
    status, _, err = bulk(b"a\t\n", "--score", export=tmp_path)
    message = "This export has no score.onnx. Available: none. Export the run again, as earlier "
    assert (status, message in err) == (2, True)
    shutil.copy(exported / "onnx" / "score.onnx", tmp_path / "onnx" / "score.int8.onnx")
    status, _, err = bulk(b"a\t\n", "--score", export=tmp_path)
    message = "no score.onnx. Available: score.int8.onnx. Received: --score, --precision float32"
    assert (status, message in err) == (2, True)
    found = bulk(b"a\t\n", "--score", "--precision", "int8", export=tmp_path)
    assert found == bulk(b"a\t\n", "--score")


@pytest.mark.parametrize(
    "options", [("--search", "greedy"), ("--n-best", "2"), ("--scores",), ("--alignments", "place")]
)
def test_options_of_translating(bulk: Bulk, options: tuple[str, ...]) -> None:
    status, out, err = bulk(b"a\t\n", "--score", *options)
    message = f"{options[0]} is for translating. Received: {options[0]} with --score\n"
    assert (status, out, err) == (2, "", f"error: {message}")


def test_a_model_that_computes_no_numbers(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter must not read NaN as a score."""
    found = {"log_probabilities": np.full((1, 1), np.nan, "float32")}
    monkeypatch.setattr("export.bulk.session.Session._run", lambda *_: found)
    status, out, err = bulk(b"a\t\n", "--score")
    assert (status, out) == (2, "")
    assert "The model returned NaN log-probabilities" in err
