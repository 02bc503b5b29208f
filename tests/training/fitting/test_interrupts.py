from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from keras_attention.text.runs import RunDirectory
from tests.training.conftest import BARE, TOY, Train
from training.fitting.callbacks import SeedDropout
from training.fitting.interrupts import StopOnInterrupt

STEPS = (*BARE, "training.steps=6", "training.steps_per_epoch=3")
ADVICE = "Interrupted. Run the same command to resume after the last finished epoch."


@pytest.fixture(autouse=True)
def _usual_handler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Python's own, also where the tests run in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def swallowed() -> None:
    """Press Ctrl-C where the exception gets lost, as in a hook of the garbage collector."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail("nothing was raised")


def test_what_got_lost_at_the_end_of_an_epoch_is_found_before_others_are_waited_for() -> None:
    callback = StopOnInterrupt()
    goes_on = False
    with pytest.raises(KeyboardInterrupt), callback.listening():  # noqa: PT012
        swallowed()
        callback.on_epoch_end(0)
        goes_on = True
    assert not goes_on


@pytest.mark.usefixtures("eager")
def test_a_training_ends_after_the_batch_in_which_ctrl_c_got_lost(
    train_toy: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[int] = []

    def lost(callback: SeedDropout, batch: int, logs: Any = None) -> None:
        batches.append(batch)
        if len(batches) == 5:
            swallowed()

    with monkeypatch.context() as patch:
        patch.setattr(SeedDropout, "on_train_batch_begin", lost)
        assert train_toy(tmp_path, *STEPS) == 130
    assert batches == [0, 1, 2, 0, 1]
    assert capsys.readouterr().err.endswith(f"\n{ADVICE}\n")
    assert "up to epoch 1" in str(RunDirectory(tmp_path).unfinished())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    assert train_toy(tmp_path, *STEPS) == 0
    assert "after epoch 1 of 2" in capsys.readouterr().out
    assert RunDirectory(tmp_path).unfinished() is None


def turned_into_an_error() -> None:
    with StopOnInterrupt().listening():
        swallowed()
        raise RuntimeError("what TensorFlow made of it")


def test_a_lost_ctrl_c_is_not_forgotten_when_the_work_fails() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        turned_into_an_error()
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(RuntimeError, match="another"), StopOnInterrupt().listening():
        raise RuntimeError("another")


def test_a_second_ctrl_c_ends_the_process_at_once() -> None:
    code = """
import signal
from tests.training.fitting.test_interrupts import swallowed
from training.fitting.interrupts import StopOnInterrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
with StopOnInterrupt().listening():
    swallowed()
    print("first", flush=True)
    signal.raise_signal(signal.SIGINT)
    print("second", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "first\n"


def test_handlers_of_others_and_other_threads_are_left_alone() -> None:
    for theirs in (signal.SIG_IGN, lambda *_: None):
        signal.signal(signal.SIGINT, theirs)
        with StopOnInterrupt().listening():
            assert signal.getsignal(signal.SIGINT) is theirs
            signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outer, inner = StopOnInterrupt(), StopOnInterrupt()
    with outer.listening():
        with pytest.raises(KeyboardInterrupt), inner.listening():
            signal.raise_signal(signal.SIGINT)
        assert (inner.is_asked, outer.is_asked) == (True, False)
        assert signal.getsignal(signal.SIGINT) == outer.note
    done = []

    def work() -> None:
        with StopOnInterrupt().listening():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


@pytest.mark.thorough
def test_a_process_that_is_interrupted_in_its_steps_resumes(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from training.train import main
sys.exit(main(sys.argv[1:]))
"""
    arguments = ["--recipe", "dates", *TOY, "--out", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (tmp_path / "checkpoints" / "state.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert errors.endswith(f"\n{ADVICE}\n")
    assert "Traceback" not in errors
    assert train_toy(tmp_path) == 0
    assert "Resuming" in capsys.readouterr().out
    assert RunDirectory(tmp_path).unfinished() is None
