"""The guide "Text to phonemes on a phone", on a toy model that its recipe trains."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import keras_attention as ka
from export.pipeline import export_run
from tests.documents import blocks
from tests.export.toy import fresh_python
from training import train

LETTERS = "abdefghiklmnopqrstuvwyz"
SMALL = [
    "data.held_out=null",
    "data.dev_pairs=10",
    "data.held_out_pairs=10",
    "model.embedding_size=16",
    "model.encoder_units=24",
    "model.decoder_units=48",
    "model.attention_units=16",
    "model.attention_layer_units=32",
    "model.dropout=0",
    "training.batch_tokens=512",
    "training.steps=400",
    "training.steps_per_epoch=200",
    "training.warmup_steps=20",
    "training.learning_rate=0.01",
    "training.dtype=float32",
    "training.jit_compile=false",
]


def said(word: str) -> str:
    """Return phonemes: one for each letter, but two for "z"."""
    return " ".join("T S" if letter == "z" else letter.upper() for letter in word)


@pytest.mark.thorough
def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    words = ["".join(random.choice([*LETTERS], random.integers(2, 8))) for _ in range(1000)]
    lines = [f"{word.upper()}\t{said(word)}\n" for word in words]
    Path("words.tsv").write_text("".join(lines), encoding="utf-8")
    recipe = ["--recipe", "cmudict-g2p", "data.train.tsv=words.tsv"]
    assert train.main([*recipe, *SMALL, "--out", "runs/g2p"]) == 0
    export_run("runs/g2p", "exported/g2p", precisions=["int8"])
    translator = ka.Translator.from_run("runs/g2p")
    (greedy,) = translator(["pizza"], search=ka.GreedySearch())
    (beam,) = translator(["Pizza"])

    pronouncer, tables, litert = blocks("docs/guides/text-to-phonemes.md", "python g2p")
    found = fresh_python(pronouncer, cwd=tmp_path).splitlines()
    said_of = {word: ast.literal_eval(rest) for word, _, rest in (x.partition(" ") for x in found)}
    assert said_of["pizza"][0] == beam.text == said("pizza")
    assert said_of["read"][0] == said("read")
    assert said_of["NGUYEN"] == ["W IH N"]
    assert fresh_python(tables + litert, cwd=tmp_path) == f"{greedy.text}\n"
