"""Start from the tokenizers and weights of a finished run."""

from __future__ import annotations

import keras_attention as ka
from keras_attention.model.config import DROPOUTS
from keras_attention.text.runs import RunDirectory
from training.fitting.tasks import Task
from training.program import ConfigError
from training.recipes.config import TrainConfig
from training.recipes.reading import config_from
from training.shards.manifest import differences
from training.shards.parts import Tokenizers

_KEY = "Key `training.start_from`:"
_IN_TRAINING_ALONE = (*DROPOUTS, "coverage_loss")


def inherited_tokenizers(run: str, task: Task) -> Tokenizers:
    """Return the tokenizers of the run that a training starts from.

    Raises:
        ConfigError: If there is no finished run, or the task's shards hold the ids of others.
    """
    try:
        return task.tokenizers_of(RunDirectory(run).require_complete())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{_KEY} {error}") from error


def check_architecture(run: str, config: TrainConfig) -> None:
    """Raise `ConfigError` if the run's model has other weights than the configured one."""
    try:
        model = config_from(RunDirectory(run).config()).model
    except ValueError as error:
        raise ConfigError(f"{_KEY} {error}") from error
    if other := differences(model, config.model, but=_IN_TRAINING_ALONE):
        raise ConfigError(f"{_KEY} the model of {run} has another architecture: {other}.")


def inherit_weights(model: ka.Seq2Seq, run: str) -> None:
    """Give a new model the weights of the run's.

    Raises:
        ConfigError: If the run's model cannot be read.
    """
    try:
        model.set_weights(RunDirectory(run).model().get_weights())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{_KEY} {error}") from error
