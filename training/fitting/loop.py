"""The training itself: from a configuration to a complete run directory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import keras

import keras_attention as ka
from keras_attention.decoding import search_from
from keras_attention.text.runs import RunDirectory
from training.corpora.pairs import Pair
from training.fitting.callbacks import Bar, DrawAttention, Pace, SeedDropout, Validate
from training.fitting.checkpoints import KeepBest, LeaveTrace
from training.fitting.optimizer import compiled_model, loaded_model
from training.fitting.pipeline import Passes, pass_statistics, training_batches, validation_batches
from training.fitting.start import begin
from training.fitting.state import TrainingState, locked, sweep
from training.fitting.tasks import Task
from training.pictures.heat_maps import examples
from training.recipes.config import TrainConfig


def train(config: TrainConfig, out: str | Path) -> RunDirectory:
    """Train, or resume where an earlier call was interrupted.

    Args:
        config: What to train.
        out: The run directory.

    Returns:
        The complete run directory.

    Raises:
        RunError: If the directory holds a run of another configuration or on other data, or other
            files; is in use, or is a file; or if the training diverges.
        ConfigError: If the configuration does not fit the data.
    """
    run = RunDirectory(out)
    with locked(run):
        return _train(config, run)


def _train(config: TrainConfig, run: RunDirectory) -> RunDirectory:
    beginning = begin(run, config)
    if beginning is None:
        sweep(run, TrainingState.of(run).file)
        print(f"{run.path} is complete: nothing to train.")
        return run.require_complete()
    config, state, strategy, task, tokenizers, validation = beginning
    sweep(run, state.file)
    keras.utils.set_random_seed(config.training.seed)
    with strategy.scope():
        model = _model(config, run, state)
    passes = Passes(task.training_pairs, tokenizers)
    _fit(model, config, run, task, passes, validation, state)
    by = "loss" if config.training.select_by == "loss" else task.metric
    print(f"Finished {run.path}: best val_{by} {state.best:.4f} after epoch {state.best_epoch}.")
    return run.require_complete()


def _model(config: TrainConfig, run: RunDirectory, state: TrainingState) -> ka.Seq2Seq:
    if state.file is not None:
        print(f"Resuming {run.path} after epoch {state.epoch} of {config.training.epochs}.")
        return loaded_model(run.checkpoints / state.file)
    model = compiled_model(config)
    sizes = config.model.source_vocabulary, config.model.target_vocabulary
    print(
        f"{config.name}: {sizes[0]:,} source and {sizes[1]:,} target tokens, "
        f"{model.count_params():,} weights, {config.training.steps:,} steps."
    )
    return model


def _fit(
    model: ka.Seq2Seq,
    config: TrainConfig,
    run: RunDirectory,
    task: Task,
    passes: Passes,
    validation: Sequence[Pair],
    state: TrainingState,
) -> None:
    training, start_id = config.training, config.model.start_id
    translator = ka.Translator(
        model,
        *passes.tokenizers,
        max_source_length=config.data.max_source_length,
        max_length=config.data.max_target_length,
        search=search_from(1, 0.0),
    )
    print(f"A pass: {pass_statistics(passes, training)}.", flush=True)
    if training.warmup_steps >= training.steps:
        print(
            f"note: training.warmup_steps={training.warmup_steps:,} of {training.steps:,} steps: "
            "the learning rate never comes to its height."
        )
    first_step = state.epoch * training.steps_per_epoch
    copies = model.distribute_strategy.num_replicas_in_sync
    has_terminal = sys.stdout.isatty()
    pace = Pace(has_terminal)
    model.fit(
        training_batches(passes, start_id, training, first_step, copies),
        epochs=training.epochs,
        initial_epoch=state.epoch,
        steps_per_epoch=training.steps_per_epoch,
        shuffle=False,
        verbose=1 if has_terminal else 2,
        callbacks=[
            SeedDropout(training.seed),
            pace,
            Validate(
                translator,
                task,
                validation,
                validation_batches(validation, passes.tokenizers, start_id, training),
            ),
            KeepBest(run, state, training, f"val_{task.metric}"),
            DrawAttention(translator, examples(validation), run.logs),
            keras.callbacks.TensorBoard(run.logs, write_graph=False),
            LeaveTrace(run, state),
            *([Bar(pace)] if has_terminal else []),
        ],
    )
