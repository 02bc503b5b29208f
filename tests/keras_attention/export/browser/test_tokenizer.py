"""The page's tokenizer, run by Node.js, compared with SentencePiece."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from keras_attention.export.browser.write import tokenizer_of
from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.existing_models import (
    EXISTING,
    SUBWORDS,
    TEXTS,
    existing_model,
    processor_of,
    real_lines,
)
from tests.hard_text import HARD_TEXT, LEARNED
from tests.variants import variants

TOKENIZER = (
    Path(__file__).parents[4] / "keras_attention" / "export" / "browser" / "page" / "tokenizer.js"
)
NEEDS_NODE = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
PROGRAM = """
import fs from "node:fs";
import { Tokenizer } from "./tokenizer.mjs";
const { model, texts } = JSON.parse(fs.readFileSync("job.json", "utf8"));
const tokenizer = new Tokenizer(model);
const ids = texts.map((text) => tokenizer.encode(text));
console.log(JSON.stringify({ ids, texts: ids.map((row) => tokenizer.decode(row)) }));
"""


@NEEDS_NODE
@variants("normalization", ["nmt_nfkc", "nmt_nfkc_cf", "identity"])
@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_ids_and_texts_equal_those_of_sentencepiece(
    model_type: str, normalization: str, tmp_path: Path
) -> None:
    size = {"unigram": 340, "bpe": 360, "char": 60, "word": 30}[model_type]
    model = SentencePieceTokenizer.train(LEARNED, size, model_type, normalization).model
    check(model, [*LEARNED, *HARD_TEXT.values()], tmp_path)


@NEEDS_NODE
@variants("name", EXISTING, core=3)
def test_existing_models(name: str, tmp_path: Path) -> None:
    tokenizer = SentencePieceTokenizer.from_sentencepiece(existing_model(name))
    check(tokenizer.model, TEXTS, tmp_path)


@pytest.mark.thorough
@NEEDS_NODE
@variants("name", SUBWORDS)
def test_existing_models_on_real_lines(name: str, corpora: Path, tmp_path: Path) -> None:
    lines = real_lines(corpora)
    model = existing_model(name, lines[:2000], 1000)
    check(SentencePieceTokenizer.from_sentencepiece(model).model, lines, tmp_path)


def check(model: bytes, texts: list[str], tmp_path: Path) -> None:
    """The page gives the ids and the texts of SentencePiece."""
    shutil.copyfile(TOKENIZER, tmp_path / "tokenizer.mjs")
    (tmp_path / "run.mjs").write_text(PROGRAM, encoding="utf-8")
    job = {"model": tokenizer_of(model), "texts": texts}
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run(
        ["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    processor = processor_of(model)
    expected = [processor.encode(text) for text in texts]
    assert found["ids"] == expected
    assert found["texts"] == [processor.decode(ids) for ids in expected]
