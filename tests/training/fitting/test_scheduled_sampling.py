"""Scheduled sampling in the training program: configuration, run and resumption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

import keras_attention as ka
from keras_attention import schedules
from keras_attention.text.runs import RunDirectory
from tests.training.conftest import Train
from training.fitting.optimizer import loaded_model
from training.fitting.state import save_whole
from training.program import ConfigError
from training.recipes.config import SamplingConfig
from training.recipes.reading import config_from, load_config

SHORT = ("training.steps=6", "training.steps_per_epoch=3", "training.warmup_steps=1")
SAMPLING = (
    "training.scheduled_sampling.schedule=linear",
    "training.scheduled_sampling.c=0.1",
    "training.scheduled_sampling.minimum=0.2",
)


def metrics_of(out: Path) -> list[dict[str, Any]]:
    text = RunDirectory(out).metrics_file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"schedule": "linear", "c": 0.1}, schedules.Linear(c=0.1)),
        (
            {"schedule": "linear", "k": 0.9, "c": 0.1, "minimum": 0.3},
            schedules.Linear(c=0.1, k=0.9, minimum=0.3),
        ),
        ({"schedule": "exponential", "k": 0.999}, schedules.Exponential(k=0.999)),
        ({"schedule": "inverse_sigmoid", "k": 500}, schedules.InverseSigmoid(k=500)),
    ],
)
def test_the_schedule_that_is_asked_for(options: dict[str, Any], expected: Any) -> None:
    given = [f"training.scheduled_sampling.{name}={value}" for name, value in options.items()]
    config = load_config("dates", given)
    assert config.training.scheduled_sampling == SamplingConfig(**options)
    assert config.training.scheduled_sampling.made() == expected
    assert config_from(yaml.safe_load(config.to_yaml())) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["schedule=step"], "`training.scheduled_sampling.schedule`.*'step'"),
        (["schedule=exponential"], "`k` is required for schedule='exponential'"),
        (["schedule=linear"], "`c` is required for schedule='linear'"),
        (["k=3"], "`k` must not be set for schedule=None. Received: k=3"),
        (
            ["schedule=exponential", "k=0.9", "c=1"],
            "`c` must not be set for schedule='exponential'",
        ),
        (["schedule=inverse_sigmoid", "k=0.5"], "`k` must be at least 1. Received: k=0.5"),
        (["temperature=-1"], "`temperature` must not be negative. Received: temperature=-1"),
        (["decay=3"], "Unknown key `training.scheduled_sampling.decay`. Known: c, k, minimum"),
    ],
)
def test_what_makes_no_schedule_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("dates", [f"training.scheduled_sampling.{option}" for option in options])


@pytest.mark.thorough
def test_a_killed_training_goes_on_with_its_schedule_and_its_draws(
    train_toy: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the second checkpoint; the model that it leaves is a plain one."""

    def killed(model: keras.Model, path: Path) -> None:
        if path.name == "epoch-0002.keras":
            raise KeyboardInterrupt
        save_whole(model, path)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert train_toy(whole, *SHORT, *SAMPLING) == 0
    with monkeypatch.context() as patch:
        patch.setattr("training.fitting.checkpoints.save_whole", killed)
        assert train_toy(resumed, *SHORT, *SAMPLING) == 130
    assert train_toy(resumed, *SHORT, *SAMPLING) == 0
    for ours, theirs in zip(metrics_of(resumed), metrics_of(whole), strict=True):
        for name in ("epoch", "loss", "accuracy", "val_loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=0, abs=1e-6), name
    models = [RunDirectory(out).model() for out in (resumed, whole)]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert [type(model) for model in models] == [ka.Seq2Seq] * 2
    checkpoint = loaded_model(resumed / "checkpoints" / "epoch-0002.keras")
    assert isinstance(checkpoint, ka.model.ScheduledSampling)
    assert checkpoint.schedule == schedules.Linear(c=0.1, minimum=0.2)
    assert int(checkpoint.optimizer.iterations) == 6
