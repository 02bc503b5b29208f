"""Standard input to standard output: the same as `training.translate`, without Keras."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from export.bulk import reading
from export.translate import main
from keras_attention import Translator
from keras_attention.text.runs import RunDirectory
from tests.export.bulk.conftest import WITHOUT_KERAS, Bulk, greedy, joined
from tests.export.toy import fresh_python
from training.translate import main as with_keras

ROOT = Path(__file__).parents[3]
PROBLEMS = b"abc\n" + b"a" * 13 + b"\n\nb\xe4d\na\0b\ndead\n"
TOO_LONG = "has 14 tokens including the end token, but the model takes 13"


def test_the_search_of_the_export(bulk: Bulk, translator: Translator, lines: list[str]) -> None:
    """A byte order mark, a Windows line ending, and a last line without one."""
    data = "\ufeff" + lines[0] + "\r\n" + "\n".join(lines[1:])
    status, out, err = bulk(data.encode())
    assert (status, out) == (0, joined([result.text for result in translator(lines)]))
    assert "warning: line 9: 1 of its 6 tokens are unknown to the model\n" in err


def test_several_batches_and_parts_keep_the_order(
    bulk: Bulk, translator: Translator, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINES", 19)
    data = joined(lines).encode()
    expected = joined(greedy(translator, lines))
    for options in (("--batch-tokens", "31"), ("--batch-tokens", "1", "--threads", "3")):
        status, out, err = bulk(data, "--search", "greedy", *options)
        assert (status, out) == (0, expected)
        assert "line 9: 1 of its 6 tokens are unknown" in err


@pytest.mark.parametrize(("data", "expected"), [(b"", ""), (b"\n", "\n"), (b"\n\r\n \n", "\n\n\n")])
def test_input_with_nothing_in_it(bulk: Bulk, data: bytes, expected: str) -> None:
    assert bulk(data) == (0, expected, "")


def test_all_that_is_written_and_said_is_what_keras_writes_and_says(
    bulk: Bulk,
    run: RunDirectory,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Warnings of problems, unknown tokens and cut translations; n-best lists; alignments."""
    data = joined(lines).encode() + PROBLEMS
    files = tmp_path / "ours.gz", tmp_path / "theirs"
    options = ("--on-problem", "empty", "--alignments")
    said = ""
    for ours, theirs in (
        (("--n-best", "3"), ("--n-best", "3")),
        (("--search", "greedy"), ("--beam-width", "1")),
    ):
        found = bulk(data, *options, files[0], *ours)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        status = with_keras([str(run.path), *options, str(files[1]), *theirs])
        out, err = (stream.decode() for stream in capsysbinary.readouterr())
        assert [part for part in found if part != found[1]] == [status, err]
        assert_alike(found[1], out)
        assert status == 3
        assert gzip.decompress(files[0].read_bytes()) == files[1].read_bytes()
        said += err
    assert "cut off at the maximum length" in said


def assert_alike(found: str, expected: str) -> None:
    """The same rows, but for the last digits of scores."""
    for row, wanted in zip(found.splitlines(), expected.splitlines(), strict=True):
        *text, score = row.split(" ||| ")
        *same, other = wanted.split(" ||| ")
        assert text == same
        assert score == other if not text else float(score) == pytest.approx(float(other), abs=1e-4)


def test_scores(bulk: Bulk, translator: Translator, lines: list[str]) -> None:
    status, out, _ = bulk(joined(lines[:9]).encode() + PROBLEMS, "--scores", "--on-problem=empty")
    rows = [row.split("\t") for row in out.splitlines()]
    assert (status, len(rows)) == (3, 15)
    for (text, score), expected in zip(rows[:9], translator(lines[:9]), strict=True):
        assert text == expected.text
        assert float(score) == pytest.approx(expected.score, abs=1e-4)
    assert rows[10:14] == [["", "-inf"], ["", "0.000000"], ["", "-inf"], ["", "-inf"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PROBLEMS, f"line 2 {TOO_LONG} (use --on-problem empty to leave such lines empty)"),
        (b"a\nb\xe4\n", "line 2 is not UTF-8: unexpected end of data (use --on-problem empty"),
        ("a\n".encode("utf-16"), "is UTF-16, but text must be UTF-8."),
    ],
)
def test_a_problem_is_an_error_before_any_output(
    bulk: Bulk, data: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINES", 1)
    status, out, err = bulk(data)
    assert (status, out) == (2, "")
    assert err.startswith("error: Standard input")
    assert message in err


def test_a_pipe_in_a_process_without_keras(
    exported: Path, translator: Translator, lines: list[str]
) -> None:
    """What comes through a pipe cannot be read twice; the first line here has a problem."""
    command = [sys.executable, "-c", WITHOUT_KERAS, str(exported), "--search", "greedy"]
    for data, status in ((joined(lines), 0), (f"{'a' * 13}\n{joined(lines)}", 2)):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        ) as process:
            out, err = process.communicate(data.encode())
        assert process.returncode == status, err.decode()
        assert out.decode() == ("" if status else joined(greedy(translator, lines)))


def test_the_precision_chooses_the_file(
    exported: Path,
    translator: Translator,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    (tmp_path / "onnx").mkdir()
    for name in ("config.json", "source.model", "target.model"):
        shutil.copy(exported / name, tmp_path)
    shutil.copy(exported / "onnx" / "greedy.onnx", tmp_path / "onnx" / "beam.int8.onnx")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(joined(lines).encode())))
    assert main([str(tmp_path), "--precision", "int8", "--threads", "2"]) == 0
    assert capsysbinary.readouterr().out.decode() == joined(greedy(translator, lines))
    assert main([str(tmp_path), "--search", "greedy"]) == 2
    assert b"no greedy.onnx. Available: beam.int8.onnx. Rec" in capsysbinary.readouterr().err


def test_a_terminal_does_not_obey_the_model(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.bulk.tokenizers.Tokenizers.decode", lambda *_: "\x1b[2J")
    assert bulk(b"abc\n")[1] == "\x1b[2J\n"
    monkeypatch.setattr("export.bulk.stream.sys.stdout.isatty", lambda: True)
    assert bulk(b"abc\n")[1] == "\\u001b[2J\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--n-best", "4"), "Received: --n-best 4, a beam width of 3"),
        (("--n-best", "2", "--search", "greedy"), "Received: --n-best 2, a beam width of 1"),
        (("--n-best", "2", "--scores"), "--n-best writes scores anyway"),
        (("--precision", "int8"), "no beam.int8.onnx. Available: beam.onnx, greedy.onnx. Received"),
        (("--provider", "cuda"), "--provider must be one of: azure, cpu. Received: --provider cu"),
        (
            ("--batch-tokens", "0"),
            "--batch-tokens must be a positive number. Received: --batch-tok",
        ),
        (("--threads", "-1"), "--threads must be a positive number. Received: --threads -1"),
        (("--workers", "0"), "--workers must be a positive number. Received: --workers 0"),
        (("--workers", "2"), "--workers and --ray are for the files of IN. Received: no IN"),
        ((".",), "OUT must be given with IN. Received: IN ., no OUT"),
    ],
)
def test_options_that_cannot_be(bulk: Bulk, options: tuple[str, ...], message: str) -> None:
    status, out, err = bulk(b"abc\n", *options)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_an_export_that_is_not_there(tmp_path: Path) -> None:
    code = "import sys; from export.translate import main; sys.exit(main(sys.argv[1:]) != 2)"
    fresh_python(f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", tmp_path, cwd=tmp_path)
