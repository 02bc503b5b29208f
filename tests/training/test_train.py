from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attention as ka
from keras_attention.stored.bounds import MetricName
from keras_attention.text.runs import RunDirectory
from tests.arrays import randomize
from tests.training.conftest import BARE, TOY, Train
from tests.variants import variants
from training.dates import generate
from training.evaluation.metrics import METRICS
from training.fitting import start
from training.fitting.callbacks import Bar, Pace
from training.fitting.checkpoints import KeepBest, LeaveTrace
from training.fitting.optimizer import (
    TokenCount,
    averaged_weights,
    compiled_model,
    learning_rate,
    loaded_model,
    optimizer_of,
)
from training.fitting.start import check_data, fingerprint
from training.fitting.state import TrainingState, locked, save_whole
from training.fitting.tasks import task_of
from training.program import RunError
from training.recipes.config import OptimizationConfig, TrainConfig
from training.recipes.reading import config_from, load_config
from training.train import main


def metrics_of(run: RunDirectory) -> list[dict[str, Any]]:
    lines = run.metrics_file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def files_of(path: Path) -> dict[str, int]:
    """Every file below a directory, with its modification time."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.stat().st_mtime_ns for file in files}


def test_a_run_directory_has_all_that_the_other_programs_need(run: RunDirectory) -> None:
    names = {name for name in files_of(run.path) if not name.startswith("logs/")}
    assert names == {
        "config.yaml",
        "source.model",
        "target.model",
        "model.keras",
        "held_out.tsv",
        "metrics.jsonl",
        "environment.json",
        "checkpoints/state.json",
        "checkpoints/epoch-0003.keras",
    }
    assert list((run.logs / "train").glob("events.*"))
    assert list((run.logs / "validation").glob("events.*"))


def test_tensorboard_shows_curves_and_where_the_model_looks(run: RunDirectory) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def tags(name: str, kind: str) -> set[str]:
        return set(EventAccumulator(str(run.logs / name)).Reload().Tags()[kind])

    assert {"epoch_loss", "epoch_learning_rate", "epoch_tokens_per_second"} <= tags(
        "train", "tensors"
    )
    assert {"epoch_loss", "epoch_exact_match"} <= tags("validation", "tensors")
    assert "attention" in tags("attention", "tensors")


def test_the_pace_is_in_tokens_and_steps_alone(run: RunDirectory) -> None:
    """32 dates of 11 tokens per step, including the end token."""
    for line in metrics_of(run):
        assert 0 < 80 * 32 * 11 / line["seconds"] <= line["tokens_per_second"]
        assert "tokens" not in line


def test_padding_is_no_token() -> None:
    count = TokenCount()
    for labels in ([[5, 2, 0, 0], [6, 7, 8, 2]], [[2, 0], [0, 0]]):
        count.update_state(np.array(labels), None)
    assert float(count.result()) == 7


def test_the_written_configuration_is_resolved(run: RunDirectory) -> None:
    config = run.config()
    source, target = run.tokenizers()
    assert config["model"]["source_vocabulary"] == source.vocabulary_size > 60
    assert config["model"]["target_vocabulary"] == target.vocabulary_size == 4 + len("-0123456789")
    assert config["training"]["batch_size"] == 32
    assert config["training"]["clip_norm"] == 1.0
    assert load_config(str(run.config_file)).model == run.model().config


def test_held_out_pairs_are_test_dates(run: RunDirectory) -> None:
    expected = [(x.source, x.target) for x in generate("test", 41, seed=1)]
    assert run.held_out() == expected


def test_the_environment_is_written(run: RunDirectory) -> None:
    environment = json.loads(run.environment_file.read_text(encoding="utf-8"))
    assert environment["packages"]["keras"] == keras.__version__
    assert environment["seed"] == 1
    commit = environment["commit"]
    assert commit is None or re.fullmatch("[0-9a-f]{40}(-dirty)?", commit)


def test_git_need_not_be_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start._environment(load_config("dates"), "")["commit"] is None


def test_the_toy_task_is_learned(run: RunDirectory) -> None:
    epochs = metrics_of(run)
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    losses = [line["loss"] for line in epochs]
    assert losses[0] > losses[1] > losses[2]
    # A model that knows the output format but ignores the source gets about 0.56 of the tokens
    # right (dashes, the end, the second digit of the century) at a loss of about 1.0.
    assert losses[2] < 0.3
    assert epochs[2]["accuracy"] > 0.92
    assert epochs[2]["val_exact_match"] > 0.5
    assert all(line["seconds"] > 0 for line in epochs)


def tiny_model() -> ka.Seq2Seq:
    sizes = {"embedding_size": 2, "encoder_units": 2, "decoder_units": 2, "attention_units": 2}
    model = ka.Seq2Seq(ka.Seq2SeqConfig(source_vocabulary=7, target_vocabulary=7, **sizes))
    model.compile("adam", loss=ka.losses.MaskedCrossEntropy())
    return model


@variants(
    ("select_by", "metric", "values"),
    [
        ("metric", "exact_match", [0.25, 0.5, 0.5, 0.375]),
        ("metric", "token_error_rate", [0.5, 0.25, 0.25, 0.375]),
        ("loss", "exact_match", [2.0, 1.5, 1.5, 1.75]),
    ],
)
def test_the_kept_model_is_the_best_and_of_equal_ones_the_last(
    tmp_path: Path, select_by: str, metric: MetricName, values: list[float]
) -> None:
    run, state, model = RunDirectory(tmp_path), TrainingState(), tiny_model()
    keep = KeepBest(run, state, OptimizationConfig(select_by=select_by), METRICS[metric])
    trace = LeaveTrace(run, state)
    name = "val_loss" if select_by == "loss" else f"val_{metric}"
    kept = []
    for epoch, value in enumerate(values):
        model.logits.bias.assign([epoch + 1.0] * 7)
        for callback in (keep, trace):
            callback.set_model(model)
            callback.set_params({"epochs": 5})
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {"loss": 1.0, name: value})
        kept.append(
            keras.saving.load_model(run.model_file, compile=False).logits.bias.numpy()[0].item()
        )
    assert kept == [1.0, 2.0, 3.0, 3.0]
    assert TrainingState.of(run) == TrainingState(
        epoch=4, file="epoch-0004.keras", best=values[2], best_epoch=3, better_epoch=2
    )
    last = keras.saving.load_model(run.checkpoints / "epoch-0004.keras", compile=False)
    assert last.logits.bias.numpy()[0].item() == 4.0


def test_training_stops_where_no_better_model_comes(tmp_path: Path) -> None:
    run, state, model = RunDirectory(tmp_path), TrainingState(), tiny_model()
    keep = KeepBest(run, state, OptimizationConfig(patience=2), METRICS["bleu"])
    keep.set_model(model)
    stopped = []
    for epoch, value in enumerate([3.0, 5.0, 4.0, 5.0]):
        model.stop_training = False
        keep.on_epoch_end(epoch, {"val_bleu": value})
        stopped.append(model.stop_training)
    assert stopped == [False, False, False, True]
    assert (state.is_finished, state.best, state.best_epoch) == (True, 5.0, 4)


@pytest.mark.thorough
def test_a_training_that_was_stopped_is_complete(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a tiny learning rate no date comes out right, so no epoch beats the first."""
    options = ("training.learning_rate=1e-12", "training.patience=2", "training.average_decay=0")
    small = ("training.steps=20", "training.steps_per_epoch=2", "training.warmup_steps=0")
    assert train_toy(tmp_path, *options, *small) == 0
    assert "Stopped: val_exact_match has not improved for 2 epochs." in capsys.readouterr().out
    assert len(metrics_of(RunDirectory(tmp_path))) == 3
    assert train_toy(tmp_path, *options, *small) == 0
    assert "is complete: nothing to train" in capsys.readouterr().out


@pytest.mark.thorough
def test_the_average_of_the_weights_is_what_is_validated_and_kept() -> None:
    model = tiny_model()
    model.compile(optimizer_of(OptimizationConfig(average_decay=0.5, warmup_steps=0)), loss="mse")
    inputs = {"source": np.array([[4, 5, 2]]), "target": np.array([[1, 6]])}
    history = []
    for _ in range(3):
        model.train_on_batch(inputs, np.ones((1, 2, 7), "float32"))
        history.append([variable.numpy() for variable in model.trainable_variables])
    with averaged_weights(model):
        averages = [variable.numpy() for variable in model.trainable_variables]
    for first, second, third, average in zip(*history, averages, strict=True):
        after_two = 0.1 * first + 0.9 * second
        expected = 2 / 11 * after_two + 9 / 11 * third
        np.testing.assert_allclose(average, expected, rtol=0, atol=1e-7)
    for variable, value in zip(model.trainable_variables, history[2], strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_the_average_forgets_as_it_is_asked_to(weight_decay: float) -> None:
    training = OptimizationConfig(
        average_decay=0.75, weight_decay=weight_decay, learning_rate=0.1, warmup_steps=0
    )
    optimizer, kernel = optimizer_of(training), keras.Variable([[2.0]], name="kernel")
    optimizer.build([kernel])
    step = tf.function(lambda: optimizer.apply([tf.ones((1, 1))], [kernel]))
    values = []
    for _ in range(200):
        step()
        values.append(kernel.numpy().item())
    recent = sum(0.25 * 0.75**age * value for age, value in enumerate(reversed(values[100:])))
    optimizer.finalize_variable_values([kernel])
    assert kernel.numpy().item() == pytest.approx(recent, abs=1e-4)
    assert abs(values[-1] - recent) > 0.01


def test_weight_decay_is_that_of_adamw_on_matrices_before_and_after_saving(tmp_path: Path) -> None:
    tree = {**load_config("dates").model.__dict__, "source_vocabulary": 7, "target_vocabulary": 7}
    small = {name: 4 for name in tree if name.endswith(("_units", "_size")) and tree[name]}
    rate = {"weight_decay": 0.1, "learning_rate": 0.01, "warmup_steps": 0}
    training = OptimizationConfig(**rate, dtype="float32", jit_compile=False)
    model_config = ka.Seq2SeqConfig(**{**tree, **small, "normalize": True})
    model = compiled_model(TrainConfig("x", model=model_config, training=training))
    randomize(model, seed=3)
    model.save(tmp_path / "model.keras")
    for one in (model, loaded_model(tmp_path / "model.keras")):
        before = [variable.numpy() for variable in one.trainable_variables]
        one.optimizer.apply([np.zeros_like(value) for value in before])
        for variable, value in zip(one.trainable_variables, before, strict=True):
            decayed = value * (1.0 - 0.1 * 0.01) if value.ndim > 1 else value
            np.testing.assert_allclose(variable.numpy(), decayed, rtol=0, atol=1e-7)


def test_other_data_than_a_run_was_begun_with(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(config_from(run.config()).data)
    check_data(run, fingerprint(task))
    first, *others = task.validation_pairs()
    monkeypatch.setattr(task, "validation_pairs", lambda: [*others, first])
    with pytest.raises(RunError, match="The data have changed since"):
        check_data(run, fingerprint(task))


def test_training_again_says_so_and_touches_nothing(
    run: RunDirectory,
    train_toy: Train,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fit(*_: Any, **__: Any) -> None:
        raise AssertionError("a complete run was trained")

    monkeypatch.setattr(ka.Seq2Seq, "fit", fit)
    before = files_of(run.path)
    assert train_toy(run.path) == 0
    assert "is complete: nothing to train" in capsys.readouterr().out
    assert files_of(run.path) == before


@pytest.mark.thorough
def test_a_killed_training_resumes_to_what_an_uninterrupted_one_gives(
    run: RunDirectory,
    train_toy: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed in the middle of the second checkpoint, after that epoch's line of metrics."""
    save = save_whole

    def killed(model: keras.Model, path: Path) -> None:
        if path.name == "epoch-0002.keras":
            path.with_name("partial-" + path.name).write_bytes(b"half a file")
            raise KeyboardInterrupt
        save(model, path)

    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr("training.fitting.checkpoints.save_whole", killed)
        assert train_toy(out) == 130
    assert "Run the same command to resume" in capsys.readouterr().err
    resumed = RunDirectory(out)
    assert [line["epoch"] for line in metrics_of(resumed)] == [1, 2]
    assert "has not finished: this is the best model up to epoch 1" in str(resumed.unfinished())

    assert train_toy(out) == 0
    assert "after epoch 1 of 3" in capsys.readouterr().out
    for ours, theirs in zip(metrics_of(resumed), metrics_of(run), strict=True):
        for name in ("epoch", "loss", "accuracy", "val_loss", "val_exact_match"):
            assert ours[name] == pytest.approx(theirs[name], rel=0, abs=1e-6), name
    for ours, theirs in zip(resumed.model().get_weights(), run.model().get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert resumed.unfinished() is None
    checkpoints = {"checkpoints/state.json", "checkpoints/epoch-0003.keras"}
    assert {n for n in files_of(out) if n.startswith("checkpoints/")} == checkpoints
    assert not list(out.rglob("*partial*"))


def test_what_a_kill_left_behind_is_swept_from_a_complete_run(
    run: RunDirectory, train_toy: Train, tmp_path: Path
) -> None:
    """Killed after the last state was written: training is complete, but files are missing."""
    out = tmp_path / "complete"
    shutil.copytree(run.path, out)
    for name in ("partial-model.keras", "checkpoints/epoch-0002.keras", "partial-metrics.jsonl"):
        (out / name).write_bytes(b"left")
    assert train_toy(out) == 0
    left = {name for name in files_of(out) if not name.startswith("logs/")}
    assert left == {name for name in files_of(run.path) if not name.startswith("logs/")}


@pytest.mark.thorough
def test_a_process_that_is_killed_resumes_too(
    run: RunDirectory, train_toy: Train, tmp_path: Path
) -> None:
    """SIGKILL at some moment in the epochs after the first checkpoint."""
    out = tmp_path / "killed"
    arguments = ["--recipe", "dates", *TOY, "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "training.train", *arguments])
    try:
        while not (out / "checkpoints" / "state.json").exists():
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    assert train_toy(out) == 0
    for ours, theirs in zip(metrics_of(RunDirectory(out)), metrics_of(run), strict=True):
        for name in ("epoch", "loss", "accuracy", "val_loss", "val_exact_match"):
            assert ours[name] == pytest.approx(theirs[name], rel=0, abs=1e-6), name


def test_two_trainings_cannot_write_to_one_run(
    run: RunDirectory, train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shared"
    shutil.copytree(run.path, out)
    state = TrainingState.of(RunDirectory(out))
    state.is_finished = False
    state.write(RunDirectory(out))
    before = files_of(out)
    with locked(RunDirectory(out)):
        assert train_toy(out) == 2
    assert f"{out} is in use" in capsys.readouterr().err
    assert files_of(out) == before
    with locked(RunDirectory(tmp_path / "new")):
        assert train_toy(tmp_path / "new") == 2
        assert f"{tmp_path / 'new'} is in use" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_directory_of_something_else_is_left_alone(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("checkpoints/epoch-0001.keras", "checkpoints/state.json", "partial-notes.txt"):
        (tmp_path / name).write_text("mine")
    assert train_toy(tmp_path) == 2
    message = (
        f"{tmp_path} is not a run directory, but contains checkpoints, partial-notes.txt. Choose"
    )
    assert message in capsys.readouterr().err
    for text in ("port: 80\n", "a: [\n", "a: !mine 3\n"):
        (tmp_path / "config.yaml").write_text(text)
        before = files_of(tmp_path)
        assert train_toy(tmp_path) == 2
        assert f"{tmp_path} is not a run directory of this package" in capsys.readouterr().err
        assert files_of(tmp_path) == before
    assert len(before) == 4


def test_what_cannot_be_trained_leaves_nothing_behind(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for override in ("text.target_vocabulary=3", "training.seed=4294967296"):
        assert train_toy(tmp_path / "run", override) == 2
        assert override.split("=")[0].split(".")[1] in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_what_a_killed_beginning_left_is_written_again(train_toy: Train, tmp_path: Path) -> None:
    for name in ("source.model", "partial-environment.json", "held_out.tsv"):
        (tmp_path / name).write_text("half a file")
    assert train_toy(tmp_path, "training.steps=2", "training.steps_per_epoch=2") == 0
    assert RunDirectory(tmp_path).unfinished() is None


def test_the_bar_shows_pace_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of four steps: 20 tokens and 3 seconds each step."""
    clock = [0.0]
    stopped = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr("training.fitting.callbacks.time", stopped)
    shown: list[dict[str, float]] = []
    monkeypatch.setattr(
        keras.callbacks.ProgbarLogger, "on_train_batch_end", lambda _, __, logs: shown.append(logs)
    )
    pace = Pace(has_bar=True)
    bar = Bar(pace)
    for callback in (pace, bar):
        callback.set_params({"epochs": 2, "steps": 4, "verbose": 1})
        callback.on_train_begin()
    for epoch in range(2):
        pace.on_epoch_begin(epoch)
        bar.on_epoch_begin(epoch)
        for batch in range(4):
            clock[0] += 3.0
            bar.on_train_batch_end(batch, {"loss": 1.0, "tokens": 20.0 * (batch + 1)})
    assert [logs["tokens_per_second"] for logs in shown] == pytest.approx([20 / 3] * 8)
    minutes = [logs["minutes_left"] for logs in shown]
    assert minutes == pytest.approx([3 * left / 60 for left in (7, 6, 5, 4, 3, 2, 1, 0)])
    assert all(set(logs) == {"loss", "tokens_per_second", "minutes_left"} for logs in shown)


def test_a_log_without_a_bar_says_each_minute_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The third and fourth of four epochs of 100 steps each; the first ten steps are slow."""
    clock = [0.0]
    stopped = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr("training.fitting.callbacks.time", stopped)
    pace = Pace(has_bar=False)
    pace.set_params({"epochs": 4, "steps": 100, "verbose": 2})
    pace.on_train_begin()
    told = {}
    for epoch in (2, 3):
        pace.on_epoch_begin(epoch)
        for batch in range(100):
            clock[0] += 3.0 if epoch == 3 or batch > 10 else 60.0
            pace.on_train_batch_end(batch)
            line = capsys.readouterr().out
            if "a step" in line:
                told[epoch, batch] = line.strip()
    assert list(told) == [(2, 60), (2, 80), (3, 60), (3, 80)]
    # 139 and 19 steps of three seconds are left
    assert told[2, 60] == "Step 61 of 100: 3.00 s a step, about 7 min left."
    assert told[3, 80] == "Step 81 of 100: 3.00 s a step, less than a minute left."


@pytest.mark.thorough
def test_a_training_that_diverges_says_so(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("training.learning_rate=1e9", "training.clip_norm=1e9", "training.warmup_steps=0")
    small = ("training.steps=8", "training.steps_per_epoch=8", "training.average_decay=0")
    assert train_toy(tmp_path, *options, *small) == 2
    assert "The training diverged: the validation loss of epoch 1" in capsys.readouterr().err


def test_killed_before_the_configuration_is_written_a_run_begins_anew(
    train_toy: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held_out.tsv").write_text("old\tleft\n")
    (tmp_path / "partial-held_out.tsv").write_text("half")

    class Begun(Exception):
        pass

    def fit(*_: Any, **__: Any) -> None:
        raise Begun

    monkeypatch.setattr(ka.Seq2Seq, "fit", fit)
    with pytest.raises(Begun):
        train_toy(tmp_path)
    assert len(RunDirectory(tmp_path).held_out()) == 41
    assert not list(tmp_path.rglob("partial-*"))


@pytest.mark.usefixtures("eager")
def test_killed_while_the_first_configuration_is_written(train_toy: Train, tmp_path: Path) -> None:
    code = """
import os, signal, sys
replace = os.replace
def killed(old, new):
    if os.path.basename(new) == "config.yaml":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new)
os.replace = killed
from training.train import main
main(sys.argv[1:])
"""
    options = (*BARE, "training.steps=2", "training.steps_per_epoch=2")
    arguments = ["--recipe", "dates", *TOY, *options, "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "config.yaml").exists()
    assert list(tmp_path.glob("partial-config.yaml-*/config.yaml"))
    assert train_toy(tmp_path, *options) == 0
    assert RunDirectory(tmp_path).unfinished() is None
    assert not list(tmp_path.rglob("partial-*"))


@pytest.mark.usefixtures("eager")
def test_links_in_a_run_directory_are_replaced_and_never_followed(
    train_toy: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, theirs = tmp_path / "run", tmp_path / "theirs"
    out.mkdir()
    theirs.mkdir()

    def link(*names: str) -> None:
        for name in names:
            if (out / name).exists():
                (theirs / name).write_bytes((out / name).read_bytes())
                (out / name).unlink()
            else:
                (theirs / name).write_text("theirs")
            (out / name).symlink_to(theirs / name)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    options = (*BARE, "training.steps=4", "training.steps_per_epoch=2")
    link("source.model", "target.model", "held_out.tsv", "environment.json")
    link("partial-environment.json", "partial-config.yaml")
    before = files_of(theirs)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "write", killed)
        assert train_toy(out, *options) == 130
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert files_of(theirs) == before

    link("model.keras", "metrics.jsonl", "partial-model.keras")
    before = files_of(theirs)
    assert train_toy(out, *options) == 0
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert files_of(theirs) == before


@pytest.mark.parametrize("name", ["checkpoints", "logs/train"])
def test_a_run_directory_whose_folder_is_a_link_is_refused(
    run: RunDirectory,
    train_toy: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    out, theirs = tmp_path / "run", tmp_path / "theirs"
    shutil.copytree(run.path, out)
    (out / name).rename(theirs)
    (out / name).symlink_to(theirs)
    (theirs / "epoch-0001.keras").touch()
    before = files_of(theirs)
    assert train_toy(out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out} has a link where training writes to a folder of its own")
    assert f": {name}." in line
    assert files_of(theirs) == before


CHOSEN = ("dtype", "jit_compile", "pad_to_multiple", "max_shapes")
OPEN = tuple(f"training.{name}=auto" for name in CHOSEN)


@pytest.mark.usefixtures("eager")
def test_a_run_stores_what_was_chosen_for_it(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run for a recipe that leaves everything open; the same command finds it complete."""
    short = (*BARE, "training.steps=2", "training.steps_per_epoch=2", *OPEN)
    assert train_toy(tmp_path, *short) == 0
    stored = RunDirectory(tmp_path).config()["training"]
    assert stored["dtype"] in ("float32", "mixed_bfloat16")
    assert stored["jit_compile"] is False, "two steps are not worth a compilation"
    assert (stored["pad_to_multiple"], stored["max_shapes"]) == (1, 12)
    said = capsys.readouterr().out
    assert f"training.dtype={stored['dtype']}: a product takes " in said
    assert re.search(r"training.jit_compile=false: .*XLA|compil", said)
    assert "batches of 12 shapes" in said
    assert train_toy(tmp_path, *short) == 0
    assert "is complete" in capsys.readouterr().out


@pytest.mark.thorough
def test_a_run_from_before_keeps_its_precision_compiler_and_batches(
    train_toy: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration has no `max_shapes`; what continues it is a recipe that chooses."""
    short = ("training.steps=6", "training.steps_per_epoch=3")
    then = ("training.pad_to_multiple=4", "training.max_shapes=null")
    assert train_toy(tmp_path / "whole", *short, *then) == 0

    def interrupted(model: keras.Model, path: Path) -> None:
        if path.name == "epoch-0002.keras":
            raise KeyboardInterrupt
        save_whole(model, path)

    cut = RunDirectory(tmp_path / "cut")
    with monkeypatch.context() as patch:
        patch.setattr("training.fitting.checkpoints.save_whole", interrupted)
        assert train_toy(cut.path, *short, *then) == 130
    text = cut.config_file.read_text(encoding="utf-8")
    assert "  max_shapes: null\n" in text
    cut.config_file.write_text(text.replace("  max_shapes: null\n", ""), encoding="utf-8")

    assert train_toy(cut.path, *short, *OPEN) == 0
    assert {name: cut.config()["training"][name] for name in CHOSEN} == {
        "dtype": "float32",
        "jit_compile": False,
        "pad_to_multiple": 4,
        "max_shapes": None,
    }
    for ours, theirs in zip(
        metrics_of(cut), metrics_of(RunDirectory(tmp_path / "whole")), strict=True
    ):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0, abs=1e-6)
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=0, abs=1e-6)


@pytest.mark.parametrize("override", ["training.batch_size=16", "data.seed=3", "name=other"])
def test_another_configuration_in_the_same_directory_is_an_error(
    run: RunDirectory, train_toy: Train, capsys: pytest.CaptureFixture[str], override: str
) -> None:
    before = files_of(run.path)
    assert train_toy(run.path, override) == 2
    message = capsys.readouterr().err
    assert "contains a run with a different configuration" in message
    key, value = override.split("=")
    assert re.search(rf"{re.escape(key)} is .* in the run, '?{value}'? requested", message)
    assert files_of(run.path) == before


def test_errors_of_use_have_exit_code_2_and_leave_no_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["--recipe", "datez", "--out", str(out)]) == 2
    assert re.search(
        r"error: Unknown recipe 'datez'\. Choose one of .*corpus, corpus-gpu, dates, ",
        capsys.readouterr().err,
    )
    assert main(["--recipe", "dates", "data.sead=3", "--out", str(out)]) == 2
    assert "error: Unknown key `data.sead`" in capsys.readouterr().err
    assert not out.exists()


def test_overrides_may_stand_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data.a=1", "--recipe", "dates", "data.b=2", "--out", str(tmp_path), "data.c=3"]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert all(f"Unknown key `data.{key}`" in message for key in "abc")


def test_a_file_is_no_run_directory(
    train_toy: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "below"):
        assert train_toy(out) == 2
        assert f"{out} is not a directory" in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.max_source_length=9", r"1 to 8 source .*data.max_source_length.*\d+ tokens: '"),
        ("data.max_target_length=10", r"1 to 9 target .*data.max_.*\(target, 10 tokens: '\d{4}-"),
        ("text.target_vocabulary=3", "Key `text.target_vocabulary`: Argument .*=3"),
    ],
)
def test_data_that_does_not_fit_is_an_error_before_the_run_begins(
    train_toy: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    assert train_toy(tmp_path / "run", override) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_the_learning_rate_rises_then_falls_as_a_half_cosine() -> None:
    training = load_config("dates", [*TOY]).training
    rate = learning_rate(training)
    values = [float(rate(step)) for step in (0, 5, 10, 125, 240)]
    assert values == pytest.approx([0.0, 0.015, 0.03, 0.015, 0.0], abs=1e-7)


def test_no_warm_up_starts_at_the_highest_rate() -> None:
    rate = learning_rate(load_config("dates", [*TOY, "training.warmup_steps=0"]).training)
    assert [float(rate(s)) for s in (0, 120, 240)] == pytest.approx([0.03, 0.015, 0.0], abs=1e-7)


@pytest.mark.thorough
def test_half_precision_trains_with_a_scaled_loss_and_leaves_a_float32_model(
    train_toy: Train, tmp_path: Path
) -> None:
    before = keras.config.dtype_policy()
    small = ("training.steps=4", "training.steps_per_epoch=2", "training.dtype=mixed_float16")
    assert train_toy(tmp_path, *small) == 0
    assert keras.config.dtype_policy() == before
    checkpoint = loaded_model(tmp_path / "checkpoints" / "epoch-0002.keras")
    assert isinstance(checkpoint.optimizer, keras.optimizers.LossScaleOptimizer)
    assert checkpoint.decoder.compute_dtype == "float16"
    assert RunDirectory(tmp_path).model().decoder.compute_dtype == "float32"
