"""How a run begins, or is taken up again: decided once, in `begin`."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import Normalization
from keras_attention.text.tokenizer import SentencePieceTokenizer as Tokenizer
from training.corpora.pairs import Pair, places
from training.corpora.report import first_few
from training.fitting.devices import strategy_of
from training.fitting.pipeline import Tokenizers, checked_pairs
from training.fitting.state import TrainingState, write_whole
from training.fitting.tasks import Task, task_of
from training.program import ConfigError, RunError
from training.recipes.config import Part, TextConfig, TrainConfig
from training.recipes.reading import config_from


class Beginning(NamedTuple):
    """All that a training needs before its model, whether it is new or resumed.

    Attributes:
        config: With the sizes of the vocabularies.
        state: Where the training stands.
        strategy: On which devices it runs.
        task: With the training pairs that fit the model.
        tokenizers: The source's and the target's.
        validation: The validation pairs that fit the model.
    """

    config: TrainConfig
    state: TrainingState
    strategy: Any
    task: Task
    tokenizers: Tokenizers
    validation: list[Pair]


def begin(run: RunDirectory, config: TrainConfig) -> Beginning | None:
    """Start a run, or take up again one that was interrupted.

    Args:
        run: A directory that is this training's alone.
        config: What to train.

    Returns:
        What the training begins with; None where the run is complete.

    Raises:
        RunError: If the directory holds another run, or other files, or the data have changed.
        ConfigError: If the configuration does not fit the data or the devices.
    """
    if not run.config_file.exists():
        _check_room(run)
        return _started(run, config)
    config = _begun_config(run, config)
    state = TrainingState.of(run)
    return None if state.is_finished else _resumed(run, config, state)


def _started(run: RunDirectory, config: TrainConfig) -> Beginning:
    """A new run; writes what stands before the first step, the configuration last."""
    strategy, task = strategy_of(config.training), task_of(config.data)
    data = fingerprint(task)
    tokenizers = learned_tokenizers(config.text, task)
    validation = _with_fitting_pairs(task, config, tokenizers)
    source, target = tokenizers
    config = with_sizes(config, source.vocabulary_size, target.vocabulary_size)
    held_out = fitting_pairs("held_out", task.held_out_pairs(), config, tokenizers, task)
    source.save(run.source_model)
    target.save(run.target_model)
    rows = ("\t".join(side.replace("\t", " ") for side in pair) for pair in held_out)
    write_whole(run.held_out_file, "".join(f"{row}\n" for row in rows))
    if task.dropped:
        write_whole(run.dropped_file, "".join(f"{line}\n" for line in task.dropped))
        print(f"All that was dropped is named in {run.dropped_file}.")
    write_whole(run.environment_file, json.dumps(_environment(config, data), indent=2) + "\n")
    write_whole(run.config_file, config.to_yaml())
    return Beginning(config, TrainingState(), strategy, task, tokenizers, validation)


def _resumed(run: RunDirectory, config: TrainConfig, state: TrainingState) -> Beginning:
    """An interrupted run, with the tokenizers and on the data that it began with."""
    strategy, task = strategy_of(config.training), task_of(config.data)
    check_data(run, fingerprint(task))
    try:
        tokenizers = run.tokenizers()
    except (OSError, ValueError) as error:
        raise RunError(f"{error}. Choose another --out.") from error
    validation = _with_fitting_pairs(task, config, tokenizers)
    return Beginning(config, state, strategy, task, tokenizers, validation)


def _with_fitting_pairs(task: Task, config: TrainConfig, tokenizers: Tokenizers) -> list[Pair]:
    """The validation pairs that fit; of its training pairs the task keeps those that do."""
    task.keep_training_pairs(lambda pairs: fitting_pairs("train", pairs, config, tokenizers, task))
    return fitting_pairs("dev", task.validation_pairs(), config, tokenizers, task)


def _check_room(run: RunDirectory) -> None:
    """Raise `RunError` where a directory without a run holds more than the first files of one."""
    first = (run.source_model, run.target_model, run.held_out_file, run.dropped_file)
    own = {file.name for file in (*first, run.environment_file)}
    others = [
        file.name for file in run.path.iterdir() if file.name.removeprefix("partial-") not in own
    ]
    if others:
        raise RunError(
            f"{run.path} holds other files and no run: {first_few(sorted(others))}. "
            "Choose another --out."
        )


def _begun_config(run: RunDirectory, config: TrainConfig) -> TrainConfig:
    """The configuration of a run that was begun, if it is the one that is asked for."""
    try:
        begun = config_from(run.config())
    except ValueError as error:
        raise RunError(f"{run.path} holds no run of this package: {error}") from error
    sizes = begun.model.source_vocabulary, begun.model.target_vocabulary
    asked = with_sizes(config, *sizes)
    if asked != begun:
        raise RunError(
            f"{run.path} holds a run of another configuration: {_differences(begun, asked)}. "
            "Choose another --out, or remove it."
        )
    return begun


def with_sizes(config: TrainConfig, source: int, target: int) -> TrainConfig:
    """The configuration with the sizes of the tokenizers' vocabularies.

    Raises:
        ConfigError: If others were asked for.
    """
    for name, size in (("source_vocabulary", source), ("target_vocabulary", target)):
        asked = getattr(config.model, name)
        if asked not in (UNKNOWN_ID + 1, size):
            raise ConfigError(
                f"Key `model.{name}`: follows from the tokenizer, which has {size} tokens; "
                f"text.{name} is the most that it may have. Received: {asked}"
            )
    model = dataclasses.replace(config.model, source_vocabulary=source, target_vocabulary=target)
    return dataclasses.replace(config, model=model)


def fingerprint(task: Task) -> str:
    """A hash of the task's pairs, by which a resumed training knows that they are the same."""
    digest = hashlib.sha256()
    for pairs in (task.training_pairs(0), task.validation_pairs(), task.held_out_pairs()):
        digest.update(json.dumps(pairs).encode())
    return digest.hexdigest()


def check_data(run: RunDirectory, data: str) -> None:
    """Raise `RunError` unless a run was begun with the data of this fingerprint."""
    known = json.loads(run.environment_file.read_text(encoding="utf-8")).get("data")
    if known != data:
        raise RunError(
            f"The data have changed since {run.path} was begun: what it held out may be among what "
            "it would learn now. Choose another --out, or bring the old files back."
        )


def fitting_pairs(
    part: Part, pairs: Sequence[Pair], config: TrainConfig, tokenizers: Tokenizers, task: Task
) -> list[Pair]:
    """The pairs of a part that fit the lengths; others are an error, or dropped and told."""
    data = config.data
    limits = (data.max_source_length, data.max_target_length)
    on_problem: Any = getattr(data, "on_problem", "error")
    where = partial(places, data.files_of(part))
    checked = checked_pairs(pairs, tokenizers, limits, on_problem, where)
    task.dropped += checked.dropped
    return checked.pairs


def learned_tokenizers(text: TextConfig, task: Task) -> Tokenizers:
    """Tokenizers learned from the training pairs; the same one twice if it is shared."""

    def learned(side: str, sentences: Iterable[str], rule: Normalization) -> Tokenizer:
        size = getattr(text, f"{side}_vocabulary")
        try:
            return Tokenizer.train(sentences, size, text.model_type, rule)
        except ValueError as error:
            raise ConfigError(f"Key `text.{side}_vocabulary`: {error}") from error

    source, target = task.tokenizer_text()
    if text.shared:
        both = learned("target", itertools.chain(source, target), text.normalization)
        return both, both
    target_rule = text.target_normalization or text.normalization
    return learned("source", source, text.normalization), learned("target", target, target_rule)


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


def _environment(config: TrainConfig, data: str) -> dict[str, Any]:
    packages = ("keras", "tensorflow", "tensorflow-text", "sentencepiece", "numpy", "Babel")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in packages},
        "seed": config.training.seed,
        "commit": _commit(),
        "data": data,
    }


def _commit() -> str | None:
    """The commit that is checked out, "-dirty" if files differ, where there is a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    except OSError:
        return None
    return done.stdout.strip() or None
