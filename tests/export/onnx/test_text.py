"""Strings in and out of ONNX, compared with Python's Translator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import keras_attention as ka
from keras_attention.export.onnx.convert import convert
from keras_attention.export.onnx.text import Text, lengths_of, with_text
from keras_attention.text.runs import RunDirectory
from tests.export.toy import (
    BEAM,
    MAX_SOURCE,
    MAX_TARGET,
    fresh_python,
    texts,
    tokenizer,
    toy_model,
)
from tests.variants import variants

RUN = """
import sys
import numpy as np, onnxruntime, onnxruntime_extensions

options = onnxruntime.SessionOptions()
options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
options.log_severity_level = 4
model = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
found = {}
with np.load(sys.argv[2], allow_pickle=True) as batches:
    for number, text in batches.items():
        try:
            outputs = model.run(None, {"text": text})
        except Exception as error:
            found[f"{number}/error"] = str(error)
        else:
            for output, array in zip(model.get_outputs(), outputs):
                found[f"{number}/{output.name}"] = array
np.savez(sys.argv[3], **found)
"""


def translated(model: Path, batches: list[list[str]], folder: Path) -> list[dict[str, Any]]:
    """The results of a model for batches, in a process without TensorFlow, because
    onnxruntime-extensions crashes if TensorFlow is loaded.
    """
    texts = {f"{i:03d}": np.array(batch, object) for i, batch in enumerate(batches)}
    np.savez(folder / "texts.npz", **texts, allow_pickle=True)
    fresh_python(RUN, model, folder / "texts.npz", folder / "found.npz", cwd=folder)
    with np.load(folder / "found.npz", allow_pickle=True) as found:
        return [
            {name[4:]: array for name, array in found.items() if name.startswith(number)}
            for number in texts
        ]


HARD = ["", " ", "  a  b ", "e\u0301 ＡＢ", "ЖЖЖ", "\u200b", "abc\tdef", "0" * 12, "\ufeffa", "ﬁ ½"]


@variants("size", [3, 1, 63])
def test_what_python_gives(exported: Path, run: RunDirectory, tmp_path: Path, size: int) -> None:
    translator = ka.Translator.from_run(run.path)
    given = [*HARD, *texts(53)]
    expected = translator(given)
    assert {len(x.others) for x in expected} == {0, 2}
    batches = [given[start : start + size] for start in range(0, len(given), size)]
    found = translated(exported / "onnx" / "translate.onnx", batches, tmp_path)
    rows = [(batch, row) for batch in found for row in range(len(batch["scores"]))]
    for (batch, row), answer in zip(rows, expected, strict=True):
        hypotheses = [answer, *answer.others]
        written = [x.text for x in hypotheses] if answer.others else [""] * BEAM.width
        assert batch["translation"][row].tolist() == written
        likely = [x.score for x in hypotheses] if answer.others else [0.0] * BEAM.width
        np.testing.assert_allclose(batch["scores"][row], likely, atol=1e-5)
        for weights, hypothesis in zip(batch["attention"][row], hypotheses, strict=False):
            assert hypothesis.attention is not None
            length, width = hypothesis.attention.shape
            np.testing.assert_allclose(weights[:length, :width], hypothesis.attention, atol=1e-5)
            assert not weights[length:].any()
            assert not weights[:, width:].any()


def test_no_texts_and_texts_that_are_too_long(exported: Path, tmp_path: Path) -> None:
    longest = "a" * (MAX_SOURCE - 1)  # and the end token
    batches = [[], ["b", longest], ["b", longest + "a"], ["b"]]
    none, fits, too_long, after = translated(
        exported / "onnx" / "translate.onnx", batches, tmp_path
    )
    assert none["translation"].shape == none["scores"].shape == (0, 3)
    assert none["attention"].shape == (0, 3, MAX_TARGET, 1)
    assert fits["translation"].shape == (2, 3)
    assert list(too_long) == ["error"]
    assert f"text_is_longer_than_{MAX_SOURCE}_tokens" in str(too_long["error"])
    assert after["translation"].tolist() == fits["translation"][:1].tolist()


def test_lengths_are_those_that_are_checked(run: RunDirectory, tmp_path: Path) -> None:
    onnx.save(lengths_of(run.source_model.read_bytes()), tmp_path / "lengths.onnx")
    given = [*HARD, *texts(53), "a" * 300]
    found = translated(tmp_path / "lengths.onnx", [given, given[:1], []], tmp_path)
    expected = [len(ids) + 1 for ids in run.tokenizers()[0].encode(given)]
    assert [x["lengths"].tolist() for x in found] == [expected, expected[:1], []]


def test_names_and_open_dimensions(exported: Path) -> None:
    graph = onnx.load(exported / "onnx" / "translate.onnx").graph
    described = {
        value.name: (
            onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type),
            len(value.type.tensor_type.shape.dim),
        )
        for value in [*graph.input, *graph.output]
    }
    assert described == {
        "text": ("STRING", 1),
        "translation": ("STRING", 2),
        "scores": ("FLOAT", 2),
        "attention": ("FLOAT", 4),
    }


@pytest.mark.thorough
def test_without_attention(tmp_path: Path) -> None:
    source, target = tokenizer(), tokenizer("ΑΒΓΔΕ")
    sizes = {"attention": None, "encoder": "lstm", "bridge": "copy", "decoder_units": 5}
    plain = toy_model(source.vocabulary_size, target_vocabulary=target.vocabulary_size, **sizes)
    searched = convert(plain, ka.GreedySearch(), MAX_TARGET)
    before = searched.SerializeToString()
    text = Text(source.model, target.model, MAX_SOURCE)
    onnx.save(with_text(searched, text), tmp_path / "translate.onnx")
    assert searched.SerializeToString() == before
    (found,) = translated(tmp_path / "translate.onnx", [["ab", "c", ""]], tmp_path)
    expected = ka.Translator(plain, source, target, MAX_SOURCE, MAX_TARGET)(["ab", "c", ""])
    assert set(found) == {"translation", "scores"}
    assert found["translation"][:, 0].tolist() == [x.text for x in expected]
    np.testing.assert_allclose(found["scores"][:, 0], [x.score for x in expected], atol=1e-5)
