"""A training that starts from the model of another run, through the real program, at toy size."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_attention.text.runs import RunDirectory
from tests.training.conftest import Train
from tests.training.test_train import metrics_of
from training.fitting.state import save_whole

FEW_STEPS = ("training.steps=4", "training.steps_per_epoch=2", "training.warmup_steps=1")


@pytest.mark.usefixtures("eager")
def test_it_has_the_tokenizers_and_the_weights(
    run: RunDirectory, train_toy: Train, tmp_path: Path
) -> None:
    """With another seed, dropout and text section; its steps are too small to change anything."""
    own = ("training.seed=7", "model.dropout=0.3", "model.memory_dropout=0.3")
    text = ("text.model_type=bpe", "training.learning_rate=1e-12", "training.weight_decay=0")
    out = RunDirectory(tmp_path / "out")
    assert train_toy(out.path, f"training.start_from={run.path}", *own, *text, *FEW_STEPS) == 0
    for ours, theirs in zip(out.tokenizers(), run.tokenizers(), strict=True):
        assert ours.model == theirs.model
    for ours, theirs in zip(out.model().get_weights(), run.model().get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert out.model().config.memory_dropout == 0.3
    assert metrics_of(out)[0]["val_exact_match"] > 0.3, "an untrained model writes no date"


@pytest.mark.thorough
def test_once_begun_it_needs_the_other_run_no_more(
    run: RunDirectory, train_toy: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    shutil.copytree(run.path, base)
    options = (f"training.start_from={base}", *FEW_STEPS)

    def killed_at(name: str) -> Any:
        def save(model: keras.Model, path: Path) -> None:
            if path.name == name:
                raise KeyboardInterrupt
            save_whole(model, path)

        return save

    for name in ("epoch-0001.keras", "epoch-0002.keras"):
        with monkeypatch.context() as patch:
            patch.setattr("training.fitting.checkpoints.save_whole", killed_at(name))
            assert train_toy(out, *options) == 130
    shutil.rmtree(base)
    assert train_toy(out, *options) == 0


@pytest.mark.parametrize(
    ("start", "override", "message"),
    [
        ("nowhere", "data.seed=1", r"`training.start_from`: There is no run directory nowhere"),
        (None, "model.decoder_units=40", r"decoder_units is 32 there, 40 requested\."),
    ],
)
def test_what_cannot_be_started_from(
    run: RunDirectory,
    train_toy: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    start: str | None,
    override: str,
    message: str,
) -> None:
    out = tmp_path / "out"
    assert train_toy(out, f"training.start_from={start or run.path}", override) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Key ")
    assert re.search(message, error)
    assert not (out / "config.yaml").exists()
