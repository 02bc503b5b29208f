"""The training itself: from a configuration to a complete run directory."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

import keras_attention as ka
from keras_attention.runs import RunDirectory
from keras_attention.translator import search_from
from training.callbacks import LeaveTrace, SeedDropout, Validate, sweep, write_whole
from training.config import OptimizationConfig, TextConfig, TrainConfig, config_from
from training.corpora import Pair
from training.data import Tokenizers, checked_pairs, training_batches
from training.program import ConfigError, RunError
from training.tasks import Task, task_of


def train(config: TrainConfig, out: str | Path) -> RunDirectory:
    """Train, or resume where an earlier call was interrupted.

    Args:
        config: What to train.
        out: The run directory.

    Returns:
        The complete run directory.

    Raises:
        RunError: If the directory holds a run of another configuration, or is a file.
        ConfigError: If the configuration does not fit the data.
    """
    run = RunDirectory(out)
    task = task_of(config.data)
    is_new = not run.config_file.exists()
    if not is_new:
        config = _same(run, config)
    state = _state(run)
    sweep(run, state["file"])
    if state["epoch"] >= config.training.epochs:
        print(f"{run.path} is complete: nothing to train.")
        return run.require_complete()

    tokenizers = _tokenizers(config.text, task) if is_new else run.tokenizers()
    validation = _fitting(config, tokenizers, task.validation_pairs())
    if task.finite_training_pairs():
        task.keep_training_pairs(_fitting(config, tokenizers, task.finite_training_pairs()))
    if is_new:
        config = _begin(run, config, task, tokenizers)
    keras.utils.set_random_seed(config.training.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.training.dtype)
    try:
        model = _model(config, run, state)
        _fit(model, config, run, task, tokenizers, validation, state)
    finally:
        keras.config.set_dtype_policy(policy)
    best = _state(run)["best"]
    print(f"Finished {run.path}: best val_{task.metric} {best:.4f}.")
    return run.require_complete()


def compiled_model(config: TrainConfig) -> ka.Seq2Seq:
    """A new model, ready for `fit`."""
    training = config.training
    model = ka.Seq2Seq(config.model)
    model.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate=learning_rate(training), global_clipnorm=training.clip_norm
        ),
        loss=ka.MaskedCrossEntropy(label_smoothing=training.label_smoothing),
        metrics=[ka.MaskedAccuracy(name="accuracy")],
        jit_compile=training.jit_compile,
    )
    return model


def learning_rate(training: OptimizationConfig) -> keras.optimizers.schedules.CosineDecay:
    """Warm-up from 0, then a half cosine to 0."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(training.steps - training.warmup_steps, 1),
        warmup_target=training.learning_rate,
        warmup_steps=training.warmup_steps,
    )


def _model(config: TrainConfig, run: RunDirectory, state: dict[str, Any]) -> ka.Seq2Seq:
    training = config.training
    if state["epoch"]:
        print(f"Resuming {run.path} after epoch {state['epoch']} of {training.epochs}.")
        return keras.saving.load_model(run.checkpoints / state["file"])
    model = compiled_model(config)
    print(
        f"{config.name}: {model.count_params():,} weights, "
        f"{training.steps:,} steps of {training.batch_size} pairs."
    )
    return model


def _fit(
    model: ka.Seq2Seq,
    config: TrainConfig,
    run: RunDirectory,
    task: Task,
    tokenizers: Tokenizers,
    validation: list[Pair],
    state: dict[str, Any],
) -> None:
    first, training = state["epoch"], config.training
    batches = training_batches(
        task.training_pairs, tokenizers, config.model.start_id, training, first
    )
    translator = ka.Translator(
        model,
        *tokenizers,
        max_source_length=config.data.max_source_length,
        max_length=config.data.max_target_length,
        search=search_from(1, 0.0),
    )
    model.fit(
        batches,
        epochs=training.epochs,
        initial_epoch=first,
        steps_per_epoch=training.steps_per_epoch,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            SeedDropout(training.seed),
            Validate(translator, task, validation),
            LeaveTrace(run, f"val_{task.metric}", state["best"]),
            keras.callbacks.TensorBoard(run.logs, write_graph=False),
        ],
    )


def _same(run: RunDirectory, config: TrainConfig) -> TrainConfig:
    """The configuration of a run that was begun, if it is the one that is asked for."""
    begun = config_from(run.config())
    asked = dataclasses.replace(config, model=_with_sizes(config, begun.model))
    if asked != begun:
        raise RunError(
            f"{run.path} holds a run of another configuration: {_differences(begun, asked)}. "
            "Choose another --out, or remove it."
        )
    return begun


def _begin(
    run: RunDirectory, config: TrainConfig, task: Task, tokenizers: Tokenizers
) -> TrainConfig:
    """The configuration with its vocabulary sizes; writes what stands before the first step."""
    source, target = tokenizers
    held_out = _fitting(config, tokenizers, task.held_out_pairs())
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{run.path} is not a directory. Choose another --out.") from error
    source.save(run.source_model)
    target.save(run.target_model)
    write_whole(run.held_out_file, "".join(f"{s}\t{t}\n" for s, t in held_out))
    write_whole(run.environment_file, json.dumps(_environment(config), indent=2) + "\n")
    model = dataclasses.replace(
        config.model,
        source_vocabulary=source.vocabulary_size,
        target_vocabulary=target.vocabulary_size,
    )
    config = dataclasses.replace(config, model=model)
    write_whole(run.config_file, config.to_yaml())
    return config


def _differences(begun: TrainConfig, asked: TrainConfig) -> str:
    there, here = (dict(_flat(dataclasses.asdict(config))) for config in (begun, asked))
    keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    return ", ".join(f"{key} is {there.get(key)!r} there, {here.get(key)!r} asked" for key in keys)


def _flat(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _fitting(config: TrainConfig, tokenizers: Tokenizers, pairs: Sequence[Pair]) -> list[Pair]:
    data = config.data
    limits = (data.max_source_length, data.max_target_length)
    return checked_pairs(pairs, tokenizers, limits, getattr(data, "on_problem", "error"))


def _tokenizers(text: TextConfig, task: Task) -> Tokenizers:
    sizes = text.source_vocabulary, text.target_vocabulary
    kind, rule = text.model_type, text.normalization
    try:
        source, target = (
            ka.SentencePieceTokenizer.train(sentences, size, kind, rule)
            for sentences, size in zip(task.tokenizer_text(), sizes, strict=True)
        )
    except ValueError as error:
        raise ConfigError(f"Key `text`: {error}") from error
    return source, target


def _with_sizes(config: TrainConfig, sizes: ka.Seq2SeqConfig) -> ka.Seq2SeqConfig:
    return dataclasses.replace(
        config.model,
        source_vocabulary=sizes.source_vocabulary,
        target_vocabulary=sizes.target_vocabulary,
    )


def _state(run: RunDirectory) -> dict[str, Any]:
    file = run.checkpoints / "state.json"
    if not file.exists():
        return {"epoch": 0, "best": -1.0, "file": None}
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _environment(config: TrainConfig) -> dict[str, Any]:
    packages = ("keras", "tensorflow", "tensorflow-text", "sentencepiece", "numpy", "Babel")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in packages},
        "seed": config.training.seed,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit that is checked out, where there is git and a repository."""
    command, folder = ["git", "rev-parse", "HEAD"], Path(__file__).parent
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    except OSError:
        return None
    return done.stdout.strip() or None
