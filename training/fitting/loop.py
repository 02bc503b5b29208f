"""The training itself: from a configuration to a complete run directory."""

from __future__ import annotations

import sys
from pathlib import Path

import keras

import keras_attention as ka
from keras_attention.decoding import search_from
from keras_attention.stored import printable
from keras_attention.text.runs import RunDirectory
from training.fitting.callbacks import Bar, DrawAttention, Pace, SeedDropout, Validate
from training.fitting.checkpoints import KeepBest, LeaveTrace
from training.fitting.interrupts import StopOnInterrupt
from training.fitting.optimizer import compiled_model, loaded_model
from training.fitting.pipeline import training_batches, validation_batches
from training.fitting.start import Setup, prepare, prepared, standing_of
from training.fitting.state import TrainingState, locked, sweep
from training.pictures.heat_maps import examples
from training.program import RunError
from training.recipes.config import TrainConfig


def train(config: TrainConfig, out: str | Path) -> RunDirectory:
    """Train a model, or resume a training that was interrupted.

    Args:
        config: The configuration of the training.
        out: The run directory.

    Returns:
        The complete run directory.

    Raises:
        RunError: If `out` is a file, is in use, holds other files, or holds a run with another
            configuration or other data; or if the training diverges.
        ConfigError: If the configuration does not fit the data.
    """
    run = RunDirectory(out)
    with locked(run):
        status, config, state = standing_of(run, config)
        sweep(run, state.file)
        match status:
            case "new":
                _start(run, prepare(run, config), state)
            case "prepared":
                _start(run, prepared(run, config), state)
            case "resumed":
                _resume(run, prepared(run, config), state)
            case "complete":
                print(f"{run.path} is complete: nothing to train.")
    return run.require_complete()


def _start(run: RunDirectory, setup: Setup, state: TrainingState) -> None:
    config = setup.config
    keras.utils.set_random_seed(config.training.seed)
    with setup.strategy.scope():
        model = compiled_model(config)
    source, target = config.model.source_vocabulary, config.model.target_vocabulary
    print(
        f"{printable(config.name)}: {source:,} source and {target:,} target tokens, "
        f"{model.count_params():,} weights, {config.training.steps:,} steps."
    )
    _fit(model, run, setup, state)


def _resume(run: RunDirectory, setup: Setup, state: TrainingState) -> None:
    training = setup.config.training
    print(f"Resuming {run.path} after epoch {state.epoch} of {training.epochs}.")
    keras.utils.set_random_seed(training.seed)
    try:
        with setup.strategy.scope():
            model = loaded_model(run.checkpoints / state.file)
    except ValueError as error:
        raise RunError(f"{error}. Choose a different --out.") from error
    _fit(model, run, setup, state)


def _fit(model: ka.Seq2Seq, run: RunDirectory, setup: Setup, state: TrainingState) -> None:
    training, task = setup.config.training, setup.task
    if training.warmup_steps >= training.steps:
        print(
            f"note: training.warmup_steps={training.warmup_steps:,} of {training.steps:,} steps: "
            "the learning rate never reaches its maximum."
        )
    start_id, first_step = setup.config.model.start_id, state.epoch * training.steps_per_epoch
    copies = model.distribute_strategy.num_replicas_in_sync
    has_terminal, interrupt = sys.stdout.isatty(), StopOnInterrupt()
    with interrupt.listening():
        model.fit(
            training_batches(
                setup.passes, start_id, setup.budget, training.seed, first_step, copies
            ),
            epochs=training.epochs,
            initial_epoch=state.epoch,
            steps_per_epoch=training.steps_per_epoch,
            shuffle=False,
            verbose=1 if has_terminal else 2,
            callbacks=[interrupt, *_callbacks(model, run, setup, state, has_terminal)],
        )
    by = "loss" if training.select_by == "loss" else task.metric
    print(f"Finished {run.path}: best val_{by} {state.best:.4f} after epoch {state.best_epoch}.")


def _callbacks(
    model: ka.Seq2Seq, run: RunDirectory, setup: Setup, state: TrainingState, has_terminal: bool
) -> list[keras.callbacks.Callback]:
    config, task, validation = setup.config, setup.task, setup.validation
    training = config.training
    translator = ka.Translator(
        model,
        *setup.tokenizers,
        max_source_length=config.data.max_source_length,
        max_length=config.data.max_target_length,
        search=search_from(1, 0.0),
    )
    batches = validation_batches(validation, setup.tokenizers, config.model.start_id, setup.budget)
    pace = Pace(has_terminal)
    return [
        SeedDropout(training.seed),
        pace,
        Validate(translator, task, validation, batches),
        KeepBest(run, state, training, f"val_{task.metric}"),
        DrawAttention(translator, examples(validation), run.logs),
        keras.callbacks.TensorBoard(run.logs, write_graph=False),
        LeaveTrace(run, state),
        *([Bar(pace)] if has_terminal else []),
    ]
