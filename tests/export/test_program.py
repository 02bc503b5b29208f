from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from export.layout import check_places
from export.program import guarded
from keras_attention.text.runs import RunDirectory

ROOT = Path(__file__).parents[2]


def test_the_status_of_the_work_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: 7, failed=2) == 7
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one line\n\n  and another"), "error: one line and another\n"),
        (OSError(28, "No space left on device"), "error: [Errno 28] No space left on device\n"),
        (RuntimeError(), "error: RuntimeError\n"),
        (ValueError("from \x1b[2Ja file"), "error: from \\u001b[2Ja file\n"),
        (
            ModuleNotFoundError("No module named 'keras'"),
            "error: No module named 'keras': the programs need the packages in requirements.txt; "
            "`make env` installs them.\n",
        ),
    ],
)
def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    def work() -> int:
        raise error

    assert guarded(work, failed=3) == 3
    assert capsys.readouterr() == ("", line)


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0, failed=2)


def test_ctrl_c_that_compiled_code_turned_into_another_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As TensorFlow does, without naming the cause."""

    def work() -> int:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise SystemError

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert guarded(work, failed=2) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr() == ("", "\nInterrupted.\n")


class Interrupting:
    """Ctrl-C while a module is being imported."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name == self.name:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("program", "arguments", "slow"),
    [
        ("export.__main__", ["run", "out"], "export.pipeline"),
        ("export.verify.__main__", ["out"], "export.verify.verification"),
    ],
)
def test_interrupted_while_it_imports(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    arguments: list[str],
    slow: str,
) -> None:
    main = importlib.import_module(program).main
    monkeypatch.delitem(sys.modules, slow, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(slow), *sys.meta_path])
    assert main(arguments) == 130
    assert capsys.readouterr() == ("", "\nInterrupted.\n")


def test_an_interrupted_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from export import summary

    def interrupted(out: Path) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "summary", interrupted)
    assert summary.main(["out"]) == 130
    assert capsys.readouterr() == ("", "\nInterrupted.\n")


@pytest.mark.thorough
def test_an_interrupted_export_can_be_repeated(run: RunDirectory, tmp_path: Path) -> None:
    # A test started in the background would pass on that Ctrl-C is ignored; JAX, which
    # TensorFlow Lite imports if it can, swallows one that falls into its garbage collector's hook.
    code = """
import runpy, signal, sys
sys.modules["jax"] = None
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("export", run_name="__main__")
"""
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(run.path), str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "saved_model ...\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.endswith("\nInterrupted.\n")
    assert not (out / "config.json").exists()
    check_places(run.path, out)
