from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_attention.ids import END_ID, START_ID
from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.training.conftest import TOY, Train
from training.fitting.batches import Share
from training.fitting.budget import Budget
from training.fitting.devices import devices_of
from training.fitting.pipeline import training_batches
from training.hosts.processes import Processes
from training.recipes.reading import load_config
from training.shards.parts import TextPasses

# Before TensorFlow starts, make the CPU look like two devices.
TWO_DEVICES = """
import sys
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, halves)
from training.train import main
sys.exit(main(sys.argv[1:]))
"""
SHORT = (
    *(option for option in TOY if "dropout" not in option),
    "training.steps=20",
    "training.steps_per_epoch=10",
)


def train_on_two(out: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--recipe", "dates", *SHORT, "training.devices=all", *overrides]
    command = [sys.executable, "-c", TWO_DEVICES, *arguments, "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_two_devices_learn_what_one_learns(train_toy: Train, tmp_path: Path) -> None:
    """All dates have the same length, so all devices get the same number of tokens."""
    dropped = ("model.dropout=0", "model.word_dropout=0", "model.recurrent_dropout=0")
    assert train_toy(tmp_path / "one", *SHORT, *dropped) == 0
    done = train_on_two(tmp_path / "two", *dropped)
    assert done.returncode == 0, done.stderr
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    for alone, shared in zip(one, two, strict=True):
        for name in ("loss", "accuracy", "val_loss"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3), name


@pytest.mark.thorough
def test_xla_on_several_devices_is_an_error(tmp_path: Path) -> None:
    done = train_on_two(tmp_path, "training.jit_compile=true")
    assert done.returncode == 2
    assert "Key `training.jit_compile`: must be false on several devices" in done.stderr


@pytest.mark.thorough
def test_float16_on_several_devices_is_an_error(tmp_path: Path) -> None:
    done = train_on_two(tmp_path / "run", "training.dtype=mixed_float16")
    assert done.returncode == 2
    assert "Key `training.dtype`: must be float32 or mixed_bfloat16 on several" in done.stderr
    assert not (tmp_path / "run").exists()


def test_one_device_is_the_default() -> None:
    devices = devices_of(load_config("dates").training)
    assert (devices.count, devices.total, devices.processes) == (1, 1, Processes())


def test_a_batch_that_cannot_be_shared_evenly_gets_rows_that_count_nowhere() -> None:
    tokenizer = SentencePieceTokenizer.train(["abc"], 16, "char")
    passes = TextPasses(lambda _: [("a", "b"), ("b", "c"), ("c", "a")], (tokenizer, tokenizer))
    share = Share(devices=2)
    batches = training_batches(passes, START_ID, Budget(pairs=3), seed=1, share=share)
    inputs, labels = next(iter(batches.as_numpy_iterator()))
    assert inputs["source"].shape == inputs["target"].shape == labels.shape == (4, 4)
    assert np.count_nonzero(labels == END_ID) == 3
    assert not inputs["source"][3].any()
    assert not inputs["target"][3].any()
    assert not labels[3].any()


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_processes_read_the_rows_of_a_batch_in_order(processes: int) -> None:
    """With more processes than rows, the last ones read padding."""
    tokenizer = SentencePieceTokenizer.train(["abcde"], 16, "char")
    pairs = [(letter, letter * 2) for letter in "abcd"]
    passes = TextPasses(lambda _: pairs, (tokenizer, tokenizer))
    budget = Budget(pairs=4)

    def batch(share: Share) -> tuple[dict[str, np.ndarray], np.ndarray]:
        dataset = training_batches(passes, START_ID, budget, seed=1, share=share)
        return next(iter(dataset.as_numpy_iterator()))

    whole, labels = batch(Share())
    shares = [batch(Share(index, processes)) for index in range(processes)]
    sizes = {len(own) for _, own in shares}
    assert sizes == {-(-4 // processes)}
    assert np.array_equal(np.concatenate([own for _, own in shares])[:4], labels)
    for name, expected in whole.items():
        joined = np.concatenate([inputs[name] for inputs, _ in shares])
        assert np.array_equal(joined[:4], expected)
        assert not joined[4:].any()
