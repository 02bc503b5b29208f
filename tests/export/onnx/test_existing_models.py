"""Existing SentencePiece models in ONNX: the ids and the texts of SentencePiece itself."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import helper, parser

from keras_attention.export.formats import OPSET
from keras_attention.export.onnx.text import _BEFORE, _give
from keras_attention.ids import END_ID
from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.existing_models import EXISTING, SUBWORDS, TEXTS, existing_model, real_lines
from tests.export.toy import fresh_python
from tests.variants import variants

RUN = """
import json, sys
from pathlib import Path
import numpy as np, onnxruntime, onnxruntime_extensions

folder = Path(sys.argv[1])
options = onnxruntime.SessionOptions()
options.register_custom_ops_library(onnxruntime_extensions.get_library_path())

def session(name):
    return onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])

texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
encode, decode = session("encode.onnx"), session("decode.onnx")
ids, decoded = [], []
for start in range(0, len(texts), 1000):
    batch = np.array(texts[start : start + 1000], object)
    tokens, splits = encode.run(["tokens", "splits"], {"text": batch})
    rows = [tokens[a:b].tolist() for a, b in zip(splits, splits[1:])]
    ids += rows
for row in ids:
    kept = np.array([i for i in row if i > 2], "int64")
    decoded.append(decode.run(None, {"ids": kept})[0][0])
(folder / "found.json").write_text(json.dumps([ids, decoded]), encoding="utf-8")
"""


def check(tokenizer: SentencePieceTokenizer, texts: list[str], folder: Path) -> None:
    numbers = {"ir": 8, "opset": OPSET, "limit": 100}
    encode = parser.parse_model(_BEFORE % numbers)
    _give(encode.graph.node, "SentencepieceTokenizer", tokenizer.model)
    del encode.graph.node[1:], encode.graph.output[:]
    for name, kind in (("tokens", onnx.TensorProto.INT32), ("splits", onnx.TensorProto.INT64)):
        encode.graph.output.append(helper.make_tensor_value_info(name, kind, [None]))
    onnx.save(encode, folder / "encode.onnx")
    node = helper.make_node(
        "SentencepieceDecoder", ["ids", "fairseq"], ["text"], domain="ai.onnx.contrib"
    )
    graph = helper.make_graph(
        [node],
        "decode",
        [helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, [None])],
        [helper.make_tensor_value_info("text", onnx.TensorProto.STRING, [None])],
        [helper.make_tensor("fairseq", onnx.TensorProto.BOOL, [1], [False])],
    )
    _give(graph.node, "SentencepieceDecoder", tokenizer.model)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.contrib", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "decode.onnx")
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    fresh_python(RUN, folder, cwd=folder)
    ids, decoded = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    expected = tokenizer.encode(texts)
    assert ids == [[*row, END_ID] for row in expected]
    assert decoded == tokenizer.decode(expected)


@variants("name", EXISTING, core=3)
def test_existing_models(name: str, tmp_path: Path) -> None:
    texts = [text for text in TEXTS if "\0" not in text]
    check(SentencePieceTokenizer.from_sentencepiece(existing_model(name)), texts, tmp_path)


@pytest.mark.thorough
@variants("name", SUBWORDS)
def test_existing_models_on_real_lines(name: str, corpora: Path, tmp_path: Path) -> None:
    lines = real_lines(corpora)
    model = existing_model(name, lines[:2000], 1000)
    check(SentencePieceTokenizer.from_sentencepiece(model), lines, tmp_path)
