"""One training in several processes: what they agree on before the first step and after epochs."""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode, b64encode
from typing import Any

import keras
import yaml

from keras_attention.stored import Environment, read_stored
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer
from training.fitting.devices import Devices
from training.fitting.start import Setup, differences_from, followed
from training.fitting.state import TrainingState
from training.program import RunError
from training.recipes.config import TrainConfig
from training.recipes.reading import config_from


def told(run: RunDirectory, setup: Setup, state: TrainingState) -> bytes:
    """Return what the other processes need to know of a run that this one has set up."""
    files = (run.source_model, run.target_model)
    return json.dumps(
        {
            "config": setup.config.to_yaml(),
            "data": read_stored(run.environment_file, Environment).data,
            "state": dataclasses.asdict(state),
            "tokenizers": [b64encode(file.read_bytes()).decode() for file in files],
        }
    ).encode()


def heard(message: bytes, config: TrainConfig) -> tuple[Setup, TrainingState]:
    """Set up the run that the first process has told of.

    Args:
        message: What it told.
        config: The configuration that was requested of this process.

    Raises:
        RunError: If this process was asked for another configuration, or reads other data.
    """
    given = json.loads(message)
    begun = config_from(yaml.safe_load(given["config"]))
    differences = differences_from(begun, config)
    if differences:
        raise RunError(f"Another configuration than in the first process: {differences}.")
    models = [SentencePieceTokenizer(b64decode(model)) for model in given["tokenizers"]]
    return followed(begun, (models[0], models[1]), given["data"]), TrainingState(**given["state"])


class Together(keras.callbacks.CallbackList):
    """The callbacks of one of several processes, which wait for each other after each epoch.

    The first process validates and writes. It may end the training, by success or by an error, and
    then ends it for all.

    Args:
        devices: The devices that this process trains on, and its processes.
        callbacks: Those of this process.
        options: Further arguments of Keras's list.
    """

    def __init__(
        self, devices: Devices, callbacks: list[keras.callbacks.Callback], **options: Any
    ) -> None:
        super().__init__(callbacks, add_history=True, **options)
        self.devices = devices

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Call the callbacks, then agree on whether to go on."""
        self.devices.collect(self.model)
        processes = self.devices.processes
        with processes.agreeing():
            super().on_epoch_end(epoch, logs)
        ends = processes.exchange(bytes([self.model.stop_training]))
        self.model.stop_training = any(any(end) for end in ends)
