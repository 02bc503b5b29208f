from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_attention import BeamSearch, GreedySearch, Translator
from keras_attention.decoding import MinLength, NoRepeatedNgram
from keras_attention.text import Translation
from keras_attention.text.runs import RunDirectory
from programs import progress
from programs.lines import SOME_EMPTY, one_line
from training import translate as translate_program
from training.translate import main

pytestmark = pytest.mark.usefixtures("eager")
ROOT = Path(__file__).parent.parent.parent
Translate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sources(run: RunDirectory) -> list[str]:
    return [source for source, _ in run.held_out()[:7]]


@pytest.fixture
def source_lines(sources: list[str]) -> bytes:
    return "".join(f"{source}\n" for source in sources).encode()


@pytest.fixture
def translate(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Translate:
    """Run the program; returns its exit code, standard output and standard error."""

    def run(data: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        code = main(arguments)
        out, err = capsysbinary.readouterr()
        return code, out.decode("utf-8"), err.decode("utf-8")

    return run


def test_standard_input_to_standard_output(
    run: RunDirectory, translator: Translator, sources: list[str]
) -> None:
    """Empty lines, a Windows line ending, and a last line without one, in a minimal locale."""
    texts = [sources[0], "", *sources[1:4], "  ", sources[4]]
    data = f"{texts[0]}\n\n{texts[2]}\r\n{texts[3]}\n{texts[4]}\n  \n{texts[6]}"
    command = [sys.executable, "-m", "training.translate", str(run.path)]
    done = subprocess.run(command, input=data.encode(), capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    expected = [result.text for result in translator(texts)]
    assert done.stdout.decode() == "".join(f"{text}\n" for text in expected)
    assert expected[1] == expected[5] == ""
    assert all(len(text) > 7 for n, text in enumerate(expected) if n not in (1, 5))


def test_a_long_input_is_told_how_far_it_is_and_keeps_its_order(
    run: RunDirectory,
    translator: Translator,
    sources: list[str],
    source_lines: bytes,
    monkeypatch: pytest.MonkeyPatch,
    translate: Translate,
) -> None:
    monkeypatch.setattr(translate_program, "_LINES", 3)
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    code, out, err = translate(source_lines, str(run.path))
    assert code == 0
    assert out.splitlines() == [result.text for result in translator(sources)]
    assert [line.split(",")[0] for line in err.splitlines()] == ["3 lines", "6 lines", "7 lines"]


def test_most_dates_are_right_even_for_the_toy(run: RunDirectory, translate: Translate) -> None:
    pairs = run.held_out()
    data = "".join(f"{source}\n" for source, _ in pairs).encode()
    code, out, _ = translate(data, str(run.path))
    lines = out.splitlines()
    assert (code, len(lines)) == (0, len(pairs))
    assert sum(line == target for line, (_, target) in zip(lines, pairs, strict=True)) > 20


@pytest.mark.parametrize(("data", "expected"), [(b"", ""), (b"\n", "\n"), (b"\n\r\n \n", "\n\n\n")])
def test_input_with_nothing_in_it(
    run: RunDirectory, translate: Translate, data: bytes, expected: str
) -> None:
    code, out, err = translate(data, str(run.path))
    assert (code, out, err) == (0, expected, "")


def test_a_beam(
    run: RunDirectory,
    translator: Translator,
    sources: list[str],
    source_lines: bytes,
    monkeypatch: pytest.MonkeyPatch,
    translate: Translate,
) -> None:
    arguments = (str(run.path), "--beam-width", "4", "--length-penalty", "0.3")
    searches = []
    original = Translator.__call__

    def spy(self: Translator, texts: list[str]) -> object:
        searches.append(self.search)
        return original(self, texts)

    monkeypatch.setattr(Translator, "__call__", spy)
    code, out, _ = translate(source_lines, *arguments)
    assert searches == [BeamSearch(4, 0.3)]
    assert code == 0
    assert out.splitlines() == [r.text for r in original(translator, sources, BeamSearch(4, 0.3))]


@pytest.mark.thorough
def test_the_options_of_a_search(
    run: RunDirectory,
    translator: Translator,
    sources: list[str],
    source_lines: bytes,
    translate: Translate,
) -> None:
    options = ("--min-length", "9", "--no-repeat-ngram", "3", "--replace-unknown")
    beam = ("--beam-width", "3", "--coverage-penalty", "0.2")
    constraints = (MinLength(9), NoRepeatedNgram(3))
    for given, search in (
        (options, GreedySearch(constraints)),
        ((*options, *beam), BeamSearch(3, 0.6, 0.2, constraints=constraints)),
    ):
        code, out, _ = translate(source_lines, str(run.path), *given)
        assert code == 0
        assert out.splitlines() == [result.text for result in translator(sources, search)]


def test_several_runs_decide_together(
    run: RunDirectory,
    translator: Translator,
    sources: list[str],
    source_lines: bytes,
    translate: Translate,
) -> None:
    code, out, _ = translate(source_lines, str(run.path), str(run.path))
    assert code == 0
    assert out.splitlines() == [result.text for result in translator(sources)]


def test_a_line_that_is_too_long_is_an_error_before_any_output(
    run: RunDirectory, sources: list[str], translate: Translate
) -> None:
    data = f"{sources[0]}\n\n{'9' * 48}\n{sources[1]}\n".encode()
    code, out, err = translate(data, str(run.path))
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: Standard input, line 3 has 49 tokens including the end token, but the model takes "
        "48 (use --on-problem empty"
    )


def test_a_line_that_is_not_utf_8_is_an_error_before_any_output(
    run: RunDirectory, translate: Translate
) -> None:
    data = "3 May 1979\n3 März 1979\n".encode("latin-1")
    code, out, err = translate(data, str(run.path))
    assert (code, out) == (2, "")
    assert err.startswith("error: Standard input, line 2 is not UTF-8: invalid continuation byte (")


PROBLEMS = b"3 May 1979\n" + b"9" * 48 + b"\n\n3 M\xe4rz\na\0b\n4 May 1979\n"


def test_lines_that_cannot_be_translated_can_be_left_empty(
    run: RunDirectory, translator: Translator, tmp_path: Path, translate: Translate
) -> None:
    """The other lines keep their numbers and their translations, in every kind of output."""
    file = tmp_path / "alignments.txt"
    options = (str(run.path), "--on-problem", "empty", "--alignments", str(file))
    code, out, err = translate(PROBLEMS, *options)
    first, last = (result.text for result in translator(["3 May 1979", "4 May 1979"]))
    assert code == SOME_EMPTY == 3
    assert out == f"{first}\n\n\n\n\n{last}\n"
    assert err.splitlines() == [
        "warning: line 2: left empty: it has 49 tokens including the end token, "
        "but the model takes 48",
        "warning: line 4: left empty: it is not UTF-8: invalid continuation byte",
        "warning: line 5: left empty: it contains NUL characters: it is UTF-16 or no text",
    ]
    aligned = file.read_text(encoding="utf-8").split("\n")
    assert [bool(line) for line in aligned] == [True, False, False, False, False, True, False]
    beam = ("--beam-width", "2", "--n-best", "2")
    code, out, _ = translate(PROBLEMS, *options[:3], *beam)
    rows = [line.split(" ||| ") for line in out.splitlines()]
    assert code == 3
    assert [row[0] for row in rows] == ["0", "0", "1", "2", "3", "4", "5", "5"]
    assert [row[1:] for row in rows[2:6]] == [
        ["", "-inf"],
        ["", "0.000000"],  # an empty line has an empty translation
        ["", "-inf"],
        ["", "-inf"],
    ]


def test_nothing_is_reported_where_all_lines_can_be_translated(
    run: RunDirectory, translate: Translate
) -> None:
    options = (str(run.path), "--on-problem", "empty")
    code, out, err = translate(b"3 May 1979\n\n", *options)
    assert (code, out.count("\n"), err) == (0, 2, "")


def test_utf_16_is_an_error_whatever_is_asked(run: RunDirectory, translate: Translate) -> None:
    options = (str(run.path), "--on-problem", "empty")
    data = "3 May 1979\n".encode("utf-16")
    code, out, err = translate(data, *options)
    assert (code, out) == (2, "")
    assert err.startswith("error: Standard input is UTF-16, but text must be UTF-8.")


def test_what_the_model_does_not_know_is_told(run: RunDirectory, translate: Translate) -> None:
    data = "3 May 1979\n3 ☃☃ 1979\n".encode()
    code, _, err = translate(data, str(run.path))
    assert code == 0
    assert err == "warning: line 2: 1 of its 8 tokens are unknown to the model\n"


def test_a_line_that_was_cut_is_told(
    run: RunDirectory, translator: Translator, monkeypatch: pytest.MonkeyPatch, translate: Translate
) -> None:
    translator = Translator(
        translator.model, translator.source_tokenizer, translator.target_tokenizer, 48, max_length=5
    )
    monkeypatch.setattr(Translator, "from_run", lambda *runs, **options: translator)
    data = b"\n3 May 1979\n"
    code, out, err = translate(data, str(run.path))
    assert code == 0
    assert [len(line) for line in out.split("\n")] == [0, 5, 0]
    assert err == "warning: line 2: cut off at the maximum length\n"


def test_n_best(
    run: RunDirectory, translator: Translator, sources: list[str], translate: Translate
) -> None:
    data = f"{sources[0]}\n\n{sources[1]}\n".encode()
    arguments = (str(run.path), "--n-best", "3", "--beam-width", "4", "--length-penalty", "0.5")
    code, out, _ = translate(data, *arguments)
    assert code == 0
    lines = [line.split(" ||| ") for line in out.splitlines()]
    assert [line[0] for line in lines] == ["0"] * 3 + ["1"] + ["2"] * 3
    assert lines[3] == ["1", "", "0.000000"]
    for line, source in ((0, sources[0]), (4, sources[1])):
        (best,) = translator([source], BeamSearch(4, 0.5))
        expected = [best, *best.others][:3]
        assert [text for _, text, _ in lines[line : line + 3]] == [r.text for r in expected]
        scores = [float(score) for _, _, score in lines[line : line + 3]]
        assert scores == pytest.approx([r.score for r in expected], abs=1e-4)
        assert scores == sorted(scores, reverse=True)


def test_alignments_have_a_line_for_each_line(
    run: RunDirectory, sources: list[str], tmp_path: Path, translate: Translate
) -> None:
    file = tmp_path / "new" / "alignments.txt"
    data = f"3 May 1979\n\n{sources[0]}\n".encode()
    plain = translate(data, str(run.path))
    aligned = translate(data, str(run.path), "--alignments", str(file))
    assert aligned == plain
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] in ("0-0", "1-0", "2-0")  # an ISO date is one word
    assert lines[1] == ""
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--n-best", "0"), "--n-best must be at least 1"),
        (("--n-best", "2"), "Received: --n-best 2, a beam width of 1"),
        (("--n-best", "5", "--beam-width", "4"), "Received: --n-best 5, a beam width of 4"),
        (("--length-penalty", "0.5"), "--length-penalty requires a beam: set --beam-width"),
        (("--beam-width", "1", "--length-penalty", "1"), "--length-penalty 1.0, a beam width of 1"),
        (("--coverage-penalty", "0.2"), "--coverage-penalty requires a beam: set --beam-width"),
        (("--min-length", "0"), "`length` must be a positive integer"),
        (("--no-repeat-ngram", "0"), "`size` must be a positive integer"),
        (("--beam-width", "0"), "`width` must be a positive integer"),
        (("--beam-width", "3", "--length-penalty", "-1"), "`length_penalty` must not be negative"),
    ],
)
def test_a_search_that_cannot_be(
    run: RunDirectory,
    translate: Translate,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    code, out, err = translate(b"a\n", str(run.path), *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_run_that_is_not_there(tmp_path: Path, translate: Translate) -> None:
    code, out, err = translate(b"a\n", str(tmp_path / "no"))
    assert (code, out) == (2, "")
    assert "There is no run directory" in err


@pytest.mark.parametrize("is_terminal", [True, False])
def test_only_a_terminal_is_kept_from_obeying_a_foreign_model(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    def translated(self: Translator, texts: list[str]) -> list[Translation]:
        return [Translation("\x1b[2J März", 0.0, [], [], None, True) for _ in texts]

    class Output(io.TextIOWrapper):
        def isatty(self) -> bool:
            return is_terminal

    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"May 3\n")))
    monkeypatch.setattr(sys, "stdout", Output(stream))
    monkeypatch.setattr(Translator, "__call__", translated)
    assert main([str(run.path)]) == 0
    expected = "\\u001b[2J März\n" if is_terminal else "\x1b[2J März\n"
    assert stream.getvalue().decode() == expected


def test_an_error_of_a_foreign_file_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "\x1b[2J")]) == 2
    assert f"There is no run directory {tmp_path}/\\u001b[2J." in capsys.readouterr().err


def test_an_output_is_one_line_whatever_a_model_writes() -> None:
    assert one_line("a\nb\r\nc") == "a b  c"
