"""The training itself: from a configuration to a complete run directory."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import keras

import keras_attention as ka
from keras_attention.decoding import search_from
from keras_attention.stored import printable
from keras_attention.text.runs import RunDirectory
from training.fitting.batches import Share
from training.fitting.callbacks import Bar, DrawAttention, Pace, SeedDropout, TellCost, Validate
from training.fitting.checkpoints import KeepBest, LeaveTrace
from training.fitting.inherited import inherit_weights
from training.fitting.interrupts import StopOnInterrupt
from training.fitting.optimizer import compiled_model, loaded_model
from training.fitting.pipeline import training_batches, validation_batches
from training.fitting.start import Setup, prepare, prepared, standing_of
from training.fitting.state import TrainingState, locked, sweep
from training.fitting.together import Together, heard, told
from training.hosts.processes import Processes, joined
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
    run, processes = RunDirectory(out), joined()
    with ExitStack() as ended:
        if processes.is_first:
            _lead(processes, run, config, ended)
        else:
            _follow(processes, config)
        processes.leave()
    return run.require_complete() if processes.is_first else run


def _lead(processes: Processes, run: RunDirectory, config: TrainConfig, ended: ExitStack) -> None:
    """Train, and write the run."""
    with processes.agreeing():
        ended.enter_context(locked(run))
        status, config, state = standing_of(run, config)
        sweep(run, state.file)
        setup: Setup | None
        match status:
            case "new":
                setup = prepare(run, config)
            case "prepared" | "resumed":
                setup = prepared(run, config)
            case "complete":
                setup = None
    processes.exchange(b"" if setup is None else told(run, setup, state))
    if setup is None:
        print(f"{run.path} is complete: nothing to train.")
        return
    with processes.agreeing():
        model = _resumed(run, setup, state) if status == "resumed" else _new(setup)
    training, metric = setup.config.training, setup.task.metric
    if training.warmup_steps >= training.steps:
        print(
            f"note: training.warmup_steps={training.warmup_steps:,} of {training.steps:,} steps: "
            "the learning rate never reaches its maximum."
        )
    has_terminal = sys.stdout.isatty()
    callbacks = _callbacks(model, run, setup, state, has_terminal)
    _fit(model, setup, state, callbacks, verbose=1 if has_terminal else 2)
    by = "loss" if training.select_by == "loss" else metric.name
    print(f"Finished {run.path}: best val_{by} {state.best:.4f} after epoch {state.best_epoch}.")


def _follow(processes: Processes, config: TrainConfig) -> None:
    """Take part in a training that the first process leads."""
    with processes.agreeing():
        pass  # the first one sets up the run
    message = processes.exchange(b"")[0]
    if message:
        with processes.agreeing():
            setup, state = heard(message, config)
            model = _made(setup)
        _fit(model, setup, state, [SeedDropout(setup.config.training.seed)], verbose=0)


def _new(setup: Setup) -> ka.Seq2Seq:
    model, config = _made(setup), setup.config
    source, target = config.model.source_vocabulary, config.model.target_vocabulary
    print(
        f"{printable(config.name)}: {source:,} source and {target:,} target tokens, "
        f"{model.count_params():,} weights, {config.training.steps:,} steps."
    )
    if base := config.training.start_from:
        inherit_weights(model, base)
        print(f"Starting from the weights of {printable(base)}.")
    return model


def _made(setup: Setup) -> ka.Seq2Seq:
    keras.utils.set_random_seed(setup.config.training.seed)
    with setup.devices.scope():
        return compiled_model(setup.config)


def _resumed(run: RunDirectory, setup: Setup, state: TrainingState) -> ka.Seq2Seq:
    training = setup.config.training
    print(f"Resuming {run.path} after epoch {state.epoch} of {training.epochs}.")
    keras.utils.set_random_seed(training.seed)
    try:
        with setup.devices.scope():
            return loaded_model(run.checkpoints / state.file)
    except ValueError as error:
        raise RunError(f"{error}. Choose a different --out.") from error


def _fit(
    model: ka.Seq2Seq,
    setup: Setup,
    state: TrainingState,
    callbacks: list[keras.callbacks.Callback],
    verbose: int,
) -> None:
    training, devices = setup.config.training, setup.devices
    start_id, first_step = setup.config.model.start_id, state.epoch * training.steps_per_epoch
    share = Share(devices.processes.index, devices.processes.count, devices.count)
    interrupt = StopOnInterrupt()
    devices.attach(model)
    with interrupt.listening():
        model.fit(
            training_batches(
                setup.passes, start_id, setup.budget, training.seed, first_step, share
            ),
            epochs=training.epochs,
            initial_epoch=state.epoch,
            steps_per_epoch=training.steps_per_epoch,
            shuffle=False,
            callbacks=Together(
                devices,
                [interrupt, *callbacks],
                model=model,
                add_progbar=verbose > 0,
                verbose=verbose,
                epochs=training.epochs,
                steps=training.steps_per_epoch,
            ),
        )


def _callbacks(
    model: ka.Seq2Seq, run: RunDirectory, setup: Setup, state: TrainingState, has_terminal: bool
) -> list[keras.callbacks.Callback]:
    config, metric, validation = setup.config, setup.task.metric, setup.validation
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
        Validate(translator, metric, validation, batches),
        KeepBest(run, state, training, metric),
        DrawAttention(translator, examples(validation), run.logs),
        keras.callbacks.TensorBoard(run.logs, write_graph=False),
        LeaveTrace(run, state),
        *([TellCost()] if setup.devices.can_have_more_hosts else []),
        *([Bar(pace)] if has_terminal else []),
    ]
