from __future__ import annotations

import dataclasses
import json

import keras
import pytest

from keras_attention import RunDirectory
from training.fitting.devices import Devices
from training.fitting.start import Setup, prepared
from training.fitting.state import TrainingState
from training.fitting.together import Together, heard, told
from training.hosts.processes import Processes
from training.program import RunError
from training.recipes.config import TrainConfig
from training.recipes.reading import config_from


@pytest.fixture(scope="module")
def config(run: RunDirectory) -> TrainConfig:
    return config_from(run.config())


@pytest.fixture(scope="module")
def setup(run: RunDirectory, config: TrainConfig) -> Setup:
    return prepared(run, config)


def test_another_process_sets_up_the_same_training(
    run: RunDirectory, config: TrainConfig, setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    state = TrainingState.of(run)
    other, other_state = heard(told(run, setup, state), config)
    assert capsys.readouterr().out == ""
    assert other_state == state
    assert other.config == setup.config
    assert other.budget == setup.budget
    parts = [made.passes.parts(0)[0].lengths() for made in (setup, other)]
    assert parts[0] == parts[1]
    assert other.validation == setup.validation


def test_what_was_left_open_is_as_in_the_first_process(
    run: RunDirectory, config: TrainConfig, setup: Setup
) -> None:
    training = dataclasses.replace(config.training, dtype="auto", jit_compile="auto")
    asked = dataclasses.replace(config, training=training)
    other, _ = heard(told(run, setup, TrainingState()), asked)
    assert other.config == config


def test_other_arguments_are_an_error(run: RunDirectory, config: TrainConfig, setup: Setup) -> None:
    training = dataclasses.replace(config.training, learning_rate=0.5)
    asked = dataclasses.replace(config, training=training)
    with pytest.raises(RunError, match=r"learning_rate is 0\.03 in the run, 0\.5 requested"):
        heard(told(run, setup, TrainingState()), asked)


def test_other_data_are_an_error(run: RunDirectory, config: TrainConfig, setup: Setup) -> None:
    message = json.loads(told(run, setup, TrainingState()))
    with pytest.raises(RunError, match="The data differ from those of the first process"):
        heard(json.dumps({**message, "data": "0" * 64}).encode(), config)


@pytest.mark.parametrize("first_stops", [False, True])
def test_the_first_process_ends_the_training_for_all(
    first_stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(self: Processes, message: bytes) -> list[bytes]:
        return [b"" if not message else bytes([first_stops]), message]

    monkeypatch.setattr(Processes, "exchange", exchange)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.stop_training = False
    together = Together(Devices(Processes(1, 2), 1), [], model=model)
    together.on_train_begin()
    together.on_epoch_end(0, {})
    assert model.stop_training is first_stops
