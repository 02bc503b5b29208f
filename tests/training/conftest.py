from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keras_attention import Translator
from keras_attention.text.runs import RunDirectory
from tests.shared import made_once
from training.train import main

# Small enough to run in seconds; with dropout, because resuming must restore random numbers.
TOY = (
    "data.dev_pairs=37",
    "data.held_out_pairs=41",
    "model.embedding_size=24",
    "model.encoder_units=24",
    "model.decoder_units=32",
    "model.attention_units=16",
    "model.dropout=0.02",
    "model.word_dropout=0.01",
    "model.recurrent_dropout=0.02",
    "training.batch_size=32",
    "training.steps=240",
    "training.steps_per_epoch=80",
    "training.learning_rate=0.03",
    "training.warmup_steps=10",
    "training.average_decay=0.9",
    "training.weight_decay=0.01",
    "training.dtype=float32",
    "training.jit_compile=false",
)

# For what no model has a part in: one that is built, traced and saved in a third of the time.
BARE = (
    "model.attention=null",
    "model.encoder=lstm",
    "model.bridge=dense",
    "model.dropout=0",
    "model.word_dropout=0",
    "model.recurrent_dropout=0",
    "training.average_decay=0",
    "training.weight_decay=0",
)

# The recipe `corpus`, small enough to run in seconds.
SMALL_CORPUS = (
    "data.dev_pairs=20",
    "data.held_out_pairs=30",
    "data.max_source_length=32",
    "data.max_target_length=32",
    "text.source_vocabulary=300",
    "text.target_vocabulary=300",
    "model.embedding_size=16",
    "model.encoder_units=16",
    "model.decoder_units=32",
    "model.attention_units=16",
    "model.attention_layer_units=16",
    "training.batch_tokens=null",
    "training.batch_size=16",
    "training.steps=20",
    "training.steps_per_epoch=10",
    "training.warmup_steps=5",
    "training.average_decay=0",
    "training.dtype=float32",
    "training.jit_compile=false",
)

Train = Callable[..., int]


@pytest.fixture(scope="session")
def train_toy() -> Train:
    """The entry point at toy size: `train_toy(out, *overrides)` returns its exit code."""

    def train(out: Path, *overrides: str) -> int:
        return main(["--recipe", "dates", *TOY, *overrides, "--out", str(out)])

    return train


@pytest.fixture(scope="session")
def run(train_toy: Train, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run directory as the real entry point leaves it."""

    def make(out: Path) -> None:
        assert train_toy(out) == 0

    return RunDirectory(made_once(tmp_path_factory, "runs/trained", make))


@pytest.fixture(scope="session")
def translator(run: RunDirectory) -> Translator:
    return Translator.from_run(run.path)
