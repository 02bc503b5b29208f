"""Before the first step: find the status of a run, and set up its training."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

from keras_attention.files import remains, write
from keras_attention.memory import check_model
from keras_attention.stored import Environment, read_stored
from keras_attention.text.runs import RunDirectory
from training.corpora.pairs import Pair
from training.corpora.report import first_few
from training.fitting.batches import statistics
from training.fitting.budget import Budget
from training.fitting.choices import kept, with_batches_chosen, with_speed_chosen
from training.fitting.devices import Devices, devices_of
from training.fitting.inherited import check_architecture, inherited_tokenizers
from training.fitting.pipeline import budget_of
from training.fitting.state import TrainingState, first_files
from training.fitting.tasks import Task, check_memory, task_of
from training.fitting.text import fitting_pairs, unknown_tokens, with_sizes
from training.program import RunError
from training.recipes.config import TrainConfig
from training.recipes.reading import config_from
from training.shards.parts import Passes, Tokenizers, counts

_COPIES = 4  # of the weights: themselves, gradients, Adam's two moments
Status = Literal["new", "prepared", "resumed", "complete"]


class Standing(NamedTuple):
    """Where a run stands before this training.

    Attributes:
        status: "new" if the directory is empty; "prepared" if it holds what precedes the first
            step, but no checkpoint; "resumed" if it holds a checkpoint; "complete" if nothing is
            left to train.
        config: The run's configuration; the requested one if the run is new.
        state: The run's state; the initial one before the first checkpoint.
    """

    status: Status
    config: TrainConfig
    state: TrainingState


class Setup(NamedTuple):
    """What a training needs before it has a model.

    Attributes:
        config: The configuration, including the vocabulary sizes.
        devices: The devices to train on.
        task: The task; its training pairs fit the model.
        tokenizers: The source and target tokenizers.
        validation: The validation pairs that fit the model.
        passes: The training pairs of each pass.
        budget: The size and shapes of batches.
    """

    config: TrainConfig
    devices: Devices
    task: Task
    tokenizers: Tokenizers
    validation: list[Pair]
    passes: Passes
    budget: Budget


def standing_of(run: RunDirectory, config: TrainConfig) -> Standing:
    """Decide whether a run is new, resumed or complete.

    Args:
        run: A run directory that this process has locked.
        config: The requested configuration.

    Raises:
        RunError: If the directory holds a run with another configuration, other files, or links
            instead of its own folders.
    """
    _check_folders(run)
    if not run.config_file.exists():
        _check_room(run)
        return Standing("new", config, TrainingState())
    config = _begun_config(run, config)
    try:
        state = TrainingState.of(run)
    except ValueError as error:
        raise RunError(f"{error}. Choose a different --out.") from error
    unfinished: Status = "resumed" if state.file else "prepared"
    return Standing("complete" if state.is_finished else unfinished, config, state)


def prepare(run: RunDirectory, config: TrainConfig) -> Setup:
    """Set up a new run and write its first files, the configuration last.

    Raises:
        ConfigError: If the configuration does not fit the data or the devices.
    """
    devices, task = devices_of(config.training), task_of(config.data)
    data = fingerprint(task)
    base = config.training.start_from
    tokenizers = inherited_tokenizers(base, task) if base else task.tokenizers(config.text)
    validation = _with_fitting_pairs(task, config, tokenizers)
    source, target = tokenizers
    config = with_sizes(config, source.vocabulary_size, target.vocabulary_size)
    check_memory(check_model, config.model, copies=_COPIES)
    if base:
        check_architecture(base, config)
    held_out = fitting_pairs("held_out", task.held_out_pairs(), config, tokenizers, task)
    source.save(run.source_model)
    target.save(run.target_model)
    rows = ("\t".join(side.replace("\t", " ") for side in pair) for pair in held_out)
    write(run.held_out_file, "".join(f"{row}\n" for row in rows))
    if task.dropped:
        write(run.dropped_file, "".join(f"{line}\n" for line in task.dropped))
        print(f"All dropped lines are listed in {run.dropped_file}.")
    setup = _setup(config, devices, task, tokenizers, validation)
    write(run.environment_file, json.dumps(_environment(setup.config, data), indent=2) + "\n")
    write(run.config_file, setup.config.to_yaml())
    return setup


def prepared(run: RunDirectory, config: TrainConfig) -> Setup:
    """Set up a run again, with the tokenizers that it holds.

    Raises:
        RunError: If the data have changed, or a tokenizer cannot be read.
        ConfigError: If the configuration does not fit the devices.
    """
    devices, task = devices_of(config.training), task_of(config.data)
    check_data(run, fingerprint(task))
    try:
        tokenizers = run.tokenizers()
    except (OSError, ValueError) as error:
        raise RunError(f"{error}. Choose a different --out.") from error
    validation = _with_fitting_pairs(task, config, tokenizers)
    return _setup(config, devices, task, tokenizers, validation)


def followed(config: TrainConfig, tokenizers: Tokenizers, data: str) -> Setup:
    """Set up a run that another process writes, without a word.

    Args:
        config: The configuration that it has chosen.
        tokenizers: Its tokenizers.
        data: The fingerprint of its data.

    Raises:
        RunError: If this process reads other data.
    """
    with redirect_stdout(io.StringIO()):
        devices, task = devices_of(config.training), task_of(config.data)
        if fingerprint(task) != data:
            raise RunError(
                "The data differ from those of the first process. Every process reads the same "
                "files: copy them to each host, or put them where all hosts can read them."
            )
        validation = _with_fitting_pairs(task, config, tokenizers)
        return _setup(config, devices, task, tokenizers, validation)


def _setup(
    config: TrainConfig,
    devices: Devices,
    task: Task,
    tokenizers: Tokenizers,
    validation: list[Pair],
) -> Setup:
    """Plan the batches, and choose what the configuration leaves open."""
    training = with_batches_chosen(config.training)
    passes = task.passes(tokenizers, training.seed)
    budget = budget_of(training, counts(passes.parts(0)))
    a_pass = statistics(passes, budget, training.seed)
    print(f"A pass: {a_pass}.")
    for line in unknown_tokens(validation, tokenizers):
        print(line)
    units = config.model.decoder_units
    training, reasons = with_speed_chosen(training, units, a_pass, devices.total)
    for reason in reasons:
        print(reason)
    config = dataclasses.replace(config, training=training)
    return Setup(config, devices, task, tokenizers, validation, passes, budget)


def _with_fitting_pairs(task: Task, config: TrainConfig, tokenizers: Tokenizers) -> list[Pair]:
    """Remove the training pairs that do not fit; return the validation pairs that do."""
    task.keep_training_pairs(lambda pairs: fitting_pairs("train", pairs, config, tokenizers, task))
    return fitting_pairs("dev", task.validation_pairs(), config, tokenizers, task)


def _check_folders(run: RunDirectory) -> None:
    """Raise `RunError` if a folder of the run is a link, through which training would write."""
    of_logs = (run.logs / name for name in ("attention", "train", "validation"))
    links = [folder for folder in (run.checkpoints, run.logs, *of_logs) if folder.is_symlink()]
    if links:
        names = first_few([folder.relative_to(run.path).as_posix() for folder in links])
        raise RunError(
            f"{run.path} has a link where training writes to a folder of its own: {names}. "
            "Choose a different --out, or replace the link by a folder."
        )


def _check_room(run: RunDirectory) -> None:
    """Raise `RunError` if a directory without a run contains files other than the first ones."""
    first = first_files(run)
    own = {*first, *remains(run.path, [file.name for file in (*first, run.config_file)])}
    others = [file.name for file in run.path.iterdir() if file not in own]
    if others:
        raise RunError(
            f"{run.path} is not a run directory, but contains {first_few(sorted(others))}. "
            "Choose a different --out."
        )


def _begun_config(run: RunDirectory, config: TrainConfig) -> TrainConfig:
    """Return the configuration of an existing run; raise `RunError` if another is requested."""
    try:
        begun = config_from(run.config())
    except ValueError as error:
        raise RunError(f"{run.path} is not a run directory of this package: {error}") from error
    differences = differences_from(begun, config)
    if differences:
        raise RunError(
            f"{run.path} contains a run with a different configuration: "
            f"{differences}. Choose a different --out, or delete the directory."
        )
    return begun


def differences_from(begun: TrainConfig, config: TrainConfig) -> str:
    """Say how a requested configuration differs from that of a run, apart from what it chose."""
    sizes = begun.model.source_vocabulary, begun.model.target_vocabulary
    asked = with_sizes(config, *sizes)
    asked = dataclasses.replace(asked, training=kept(asked.training, begun.training))
    there, here = (dict(_flat(dataclasses.asdict(config))) for config in (begun, asked))
    keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    return ", ".join(
        f"{key} is {there.get(key)!r} in the run, {here.get(key)!r} requested" for key in keys
    )


def fingerprint(task: Task) -> str:
    """Return a hash of the task's pairs, which a resumed training compares."""
    digest = hashlib.sha256()
    for data in (task.training_data(), task.validation_pairs(), task.held_out_pairs()):
        digest.update(json.dumps(data).encode())
    return digest.hexdigest()


def check_data(run: RunDirectory, data: str) -> None:
    """Raise `RunError` unless the run was started with data that have this fingerprint."""
    try:
        known = read_stored(run.environment_file, Environment).data
    except (OSError, ValueError) as error:
        raise RunError(f"{error}. Choose a different --out.") from error
    if known != data:
        raise RunError(
            f"The data have changed since {run.path} was started: pairs that it held out may now "
            "be among its training pairs. Choose a different --out, or restore the old files."
        )


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
    """Return the current commit, with "-dirty" if files have changed; None without a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    except OSError:
        return None
    return done.stdout.strip() or None
