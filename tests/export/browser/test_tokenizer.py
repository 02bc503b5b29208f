"""The page's tokenizer, run by Node.js, compared with SentencePiece."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import sentencepiece

from export.browser.write import tokenizer_of
from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.hard_text import HARD_TEXT, LEARNED

TOKENIZER = Path(__file__).parents[3] / "export" / "browser" / "page" / "tokenizer.js"
PROGRAM = """
import fs from "node:fs";
import { Tokenizer } from "./tokenizer.mjs";
const { model, texts } = JSON.parse(fs.readFileSync("job.json", "utf8"));
const tokenizer = new Tokenizer(model);
const ids = texts.map((text) => tokenizer.encode(text));
console.log(JSON.stringify({ ids, texts: ids.map((row) => tokenizer.decode(row)) }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("normalization", ["nmt_nfkc", "nmt_nfkc_cf", "identity"])
@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_ids_and_texts_equal_those_of_sentencepiece(
    model_type: str, normalization: str, tmp_path: Path
) -> None:
    size = {"unigram": 340, "bpe": 360, "char": 60, "word": 30}[model_type]
    model = SentencePieceTokenizer.train(LEARNED, size, model_type, normalization).model
    texts = [*LEARNED, *HARD_TEXT.values()]
    shutil.copyfile(TOKENIZER, tmp_path / "tokenizer.mjs")
    (tmp_path / "run.mjs").write_text(PROGRAM, encoding="utf-8")
    job = {"model": tokenizer_of(model), "texts": texts}
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run(
        ["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    expected = [processor.encode(text) for text in texts]
    assert found["ids"] == expected
    assert found["texts"] == [processor.decode(ids) for ids in expected]
