"""A toy run directory: a small model with random weights, as training would leave it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import keras_attention as ka
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.arrays import randomize
from tests.variants import variants

ALPHABET = "abcdefgh ijklé0123456789"
TARGET_ALPHABET = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤ-/_"
MAX_SOURCE, MAX_TARGET = 13, 11
BEAM = ka.BeamSearch(3, 0.6)
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "tied": {"attention_layer_units": 7, "tie_embeddings": "output"},
    "dot": {
        "attention": "luong",
        "score": "dot",
        "decoder_units": 10,
        "attention_layer_units": 7,
    },
    "concat-gru": {
        "attention": "luong",
        "score": "concat",
        "decoder_cell": "gru",
        "scale": True,
        "input_feeding": False,
    },
    "plain": {"attention": None, "encoder": "lstm", "end_bias": 0.9},
    "plain-copy": {"attention": None, "encoder": "lstm", "bridge": "copy", "decoder_units": 5},
    "stacked": {"normalize": True, "encoder_layers": 2, "decoder_layers": 2},
    "luong-gru-stacked": {
        "attention": "luong",
        "decoder_cell": "gru",
        "decoder_layers": 2,
        "encoder_layers": 2,
        "attention_layer_units": 7,
        "end_bias": 1.5,
    },
    "sparsemax": {"alignment": "sparsemax"},
    "hardmax": {"alignment": "hardmax"},
    "monotonic": {"alignment": "monotonic", "alignment_options": {"score_bias_init": 1.0}},
    "hard-monotonic": {
        "alignment": "monotonic",
        "alignment_options": {"mode": "hard", "score_bias_init": 1.0},
    },
    "mocha": {"alignment": "mocha", "alignment_options": {"chunk_size": 3}, "attention": "luong"},
    "local-m": {"alignment": "local-m", "alignment_options": {"window": 1}},
    "local-p-location": {
        "alignment": "local-p",
        "alignment_options": {"window": 2},
        "past": "location",
    },
    "coverage-heads": {
        "past": "coverage",
        "past_options": {"max_fertility": 2.0},
        "num_heads": 2,
    },
    "nematus": {
        "query": "between",
        "decoder_cell": "gru",
        "bridge": "mean",
        "readout": "tanh",
        "end_bias": 1.5,
    },
    "gnmt": {"query": "bottom", "decoder_layers": 3, "encoder_layers": 2, "residual": True},
    "groundhog": {"decoder_cell": "ln-lstm", "readout": "maxout", "readout_units": 6},
}


def each_architecture(*core: str) -> pytest.MarkDecorator:
    """The core suite exports those in `core`, the thorough tests the others as well."""
    names = sorted(ARCHITECTURES, key=lambda name: (name not in core, name))
    changes = [ARCHITECTURES[name] for name in names]
    return variants("changes", changes, core=len(core), ids=names)


def tokenizer(text: str = ALPHABET) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train([*text, text], 64, "char")


def toy_model(vocabulary: int = 29, end_bias: float = 2.0, **changes: Any) -> ka.Seq2Seq:
    """Random weights, with an end token likely enough to end some hypotheses but not all."""
    sizes = {
        "source_vocabulary": vocabulary,
        "target_vocabulary": vocabulary,
        "embedding_size": 7,
        "encoder_units": 5,
        "decoder_units": 11,
        "attention_units": 6,
    }
    model = ka.Seq2Seq(ka.Seq2SeqConfig(**{**sizes, **changes}))
    randomize(model, seed=7, scale=1.3)
    if model.logits is not None:
        bias = model.logits.bias.numpy()
        bias[2] += end_bias
        model.logits.bias.assign(bias)
    return model


def sources(lengths: list[int], vocabulary: int, seed: int, pad_to: int = 0) -> np.ndarray:
    """Random ids (B, S) of the given lengths, the end token last, padded on the right."""
    batch = np.zeros((len(lengths), max(*lengths, pad_to)), "int32")
    rng = np.random.default_rng(seed)
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = [*rng.integers(4, vocabulary, length - 1), 2]
    return batch


def texts(count: int, seed: int = 5) -> list[str]:
    """Different texts of random letters, all short enough."""
    rng = np.random.default_rng(seed)
    letters = list(ALPHABET.replace(" ", ""))
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choice(letters, rng.integers(1, MAX_SOURCE)))] = None
    return list(found)


def toy_run(path: Path, **changes: Any) -> RunDirectory:
    """Write a complete run directory."""
    path.mkdir(parents=True)
    run = RunDirectory(path)
    source, target = tokenizer(), tokenizer(TARGET_ALPHABET)
    source.save(run.source_model)
    target.save(run.target_model)
    sizes = {"target_vocabulary": target.vocabulary_size, "end_bias": 2.6}
    toy_model(source.vocabulary_size, **{**sizes, **changes}).save(run.model_file)
    config = {
        "name": "toy",
        "data": {"max_source_length": MAX_SOURCE, "max_target_length": MAX_TARGET},
        "text": {"model_type": "char", "normalization": "nmt_nfkc"},
        "search": {"beam_width": BEAM.width, "length_penalty": BEAM.length_penalty},
    }
    run.config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
    lines = [f"{text}\t{text[::-1]}\n" for text in [*texts(53), "e" * (MAX_SOURCE + 1)]]
    run.held_out_file.write_text("".join(lines), encoding="utf-8")
    return run


def fresh_python(code: str, *arguments: str | Path, cwd: Path) -> str:
    """Run code in a new process outside the repository, and return its standard output."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
