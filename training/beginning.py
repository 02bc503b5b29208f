"""How a run begins: tokenizers, what stands before the first step, and whether it is the same."""

from __future__ import annotations

import dataclasses
import itertools
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras_attention as ka
from keras_attention.runs import RunDirectory
from keras_attention.text import Normalization
from keras_attention.text import SentencePieceTokenizer as Tokenizer
from training.config import TextConfig, TrainConfig
from training.corpora import Pair
from training.data import Tokenizers, checked_pairs
from training.program import ConfigError, RunError
from training.recipe import config_from
from training.state import write_whole
from training.tasks import Task


def same(run: RunDirectory, config: TrainConfig) -> TrainConfig:
    """The configuration of a run that was begun, if it is the one that is asked for."""
    begun = config_from(run.config())
    asked = dataclasses.replace(config, model=_with_sizes(config, begun.model))
    if asked != begun:
        raise RunError(
            f"{run.path} holds a run of another configuration: {_differences(begun, asked)}. "
            "Choose another --out, or remove it."
        )
    return begun


def begin(
    run: RunDirectory, config: TrainConfig, task: Task, tokenizers: Tokenizers
) -> TrainConfig:
    """The configuration with its vocabulary sizes; writes what stands before the first step."""
    source, target = tokenizers
    held_out = fitting(config, tokenizers, task.held_out_pairs())
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"{run.path} is not a directory. Choose another --out.") from error
    source.save(run.source_model)
    target.save(run.target_model)
    rows = ("\t".join(side.replace("\t", " ") for side in pair) for pair in held_out)
    write_whole(run.held_out_file, "".join(f"{row}\n" for row in rows))
    write_whole(run.environment_file, json.dumps(_environment(config), indent=2) + "\n")
    model = dataclasses.replace(
        config.model,
        source_vocabulary=source.vocabulary_size,
        target_vocabulary=target.vocabulary_size,
    )
    config = dataclasses.replace(config, model=model)
    write_whole(run.config_file, config.to_yaml())
    return config


def fitting(config: TrainConfig, tokenizers: Tokenizers, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that fit the lengths; those that do not are an error, or dropped and counted."""
    data = config.data
    limits = (data.max_source_length, data.max_target_length)
    return checked_pairs(pairs, tokenizers, limits, getattr(data, "on_problem", "error"))


def learned_tokenizers(text: TextConfig, task: Task) -> Tokenizers:
    """Tokenizers learned from the training pairs; the same one twice if it is shared."""

    def learned(sentences: Iterable[str], size: int, rule: Normalization) -> Tokenizer:
        return Tokenizer.train(sentences, size, text.model_type, rule)

    source, target = task.tokenizer_text()
    sizes = text.source_vocabulary, text.target_vocabulary
    rules = text.normalization, text.target_normalization or text.normalization
    try:
        if text.shared:
            both = learned(itertools.chain(source, target), sizes[1], rules[0])
            return both, both
        return learned(source, sizes[0], rules[0]), learned(target, sizes[1], rules[1])
    except ValueError as error:
        raise ConfigError(f"Key `text`: {error}") from error


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


def _with_sizes(config: TrainConfig, sizes: ka.Seq2SeqConfig) -> ka.Seq2SeqConfig:
    return dataclasses.replace(
        config.model,
        source_vocabulary=sizes.source_vocabulary,
        target_vocabulary=sizes.target_vocabulary,
    )


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
