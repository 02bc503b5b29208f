from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keras_attention import Translator
from keras_attention.runs import RunDirectory
from training.train import main

# Small enough for seconds; dropout, since resuming has to find its random numbers again.
TOY = (
    "data.dev_pairs=37",
    "data.held_out_pairs=41",
    "model.embedding_size=24",
    "model.encoder_units=24",
    "model.decoder_units=32",
    "model.attention_units=16",
    "model.dropout=0.02",
    "training.batch_size=32",
    "training.steps=240",
    "training.steps_per_epoch=80",
    "training.learning_rate=0.03",
    "training.warmup_steps=10",
)

Train = Callable[..., int]


@pytest.fixture(scope="session")
def train_toy() -> Train:
    """The entry point at toy size: `train_toy(out, *overrides)` gives its exit code."""

    def train(out: Path, *overrides: str) -> int:
        return main(["--recipe", "dates", *TOY, *overrides, "--out", str(out)])

    return train


@pytest.fixture(scope="session")
def run(train_toy: Train, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run directory as the real entry point leaves it."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    assert train_toy(out) == 0
    return RunDirectory(out)


@pytest.fixture(scope="session")
def translator(run: RunDirectory) -> Translator:
    return Translator.from_run(run.path)
