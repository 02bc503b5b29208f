"""`score.onnx`: log-probabilities of given targets, without Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import keras_attention as ka
from keras_attention.export.onnx.convert import convert_score
from keras_attention.export.onnx.passes import subgraphs
from keras_attention.export.onnx.quantize import in_precision
from keras_attention.export.quantize import copy_with_int8_embeddings
from keras_attention.text.runs import RunDirectory
from keras_attention.text.translator import pad
from tests.export.toy import MAX_SOURCE, each_architecture, sources, toy_model

VOCABULARY = 28
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def opened(model: Path | onnx.ModelProto) -> Score:
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])

    def score(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        (found,) = session.run(["log_probabilities"], {"source": source, "target": target})
        return found

    return score


@pytest.fixture(scope="module")
def file(exported: Path) -> Path:
    return exported / "onnx" / "score.onnx"


@pytest.fixture(scope="module")
def score(file: Path) -> Score:
    return opened(file)


def test_pairs_have_the_scores_of_the_translator(score: Score, run: RunDirectory) -> None:
    """Also an empty source, an empty target, which is its end token, and both."""
    translator = ka.Translator.from_run(run.path)
    texts = ["abba", "", "jilk é 12", "", "a"]
    targets = ["ΑΒΓ", "ΔΕ", "", "", "ΖΗΘΙΚΛΜΝ"]
    ids = (
        pad([[*row, 2] for row in tokenizer.encode(side)])
        for tokenizer, side in zip(run.tokenizers(), (texts, targets), strict=True)
    )
    found = score(*ids)
    for row, pair in zip(found, translator.score(texts, targets), strict=True):
        length = len(pair.log_probabilities)
        np.testing.assert_allclose(row[:length], pair.log_probabilities, atol=1e-5)
        assert (row[:length] < 0).all()
        assert not row[length:].any()


def test_a_translation_has_the_score_of_its_search(score: Score, exported: Path) -> None:
    source = sources([13, 2, 7, 5], VOCABULARY, seed=1)
    greedy = onnxruntime.InferenceSession(exported / "onnx" / "greedy.onnx")
    names = ["ids", "lengths", "scores"]
    ids, lengths, scores = (x[:, 0] for x in greedy.run(names, {"source": source}))
    has_padding = (ids != 0).sum(axis=1) < lengths  # which random weights may find likely
    assert not has_padding.all()
    found = score(source, ids).sum(axis=1)
    np.testing.assert_allclose(found[~has_padding], scores[~has_padding], atol=1e-4)


def test_a_row_does_not_depend_on_its_batch(score: Score) -> None:
    source = sources([3, MAX_SOURCE, 1], VOCABULARY, seed=2, pad_to=19)
    target = sources([5, 1, 17], 27, seed=3, pad_to=23)
    together = score(source, target)
    assert (together.dtype, together.shape) == (np.dtype("float32"), (3, 23))
    for row, one, other in zip(together, source, target, strict=True):
        (alone,) = score(one[None, one != 0], other[None, other != 0])
        np.testing.assert_allclose(row[other != 0], alone, atol=1e-6)
        assert not row[other == 0].any()


@pytest.mark.parametrize(("rows", "length", "tokens"), [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)])
def test_nothing_to_score(score: Score, rows: int, length: int, tokens: int) -> None:
    source, target = np.full((rows, length), 5, "int32"), np.full((rows, tokens), 5, "int32")
    assert score(source, target).shape == (rows, tokens)


def test_a_step_leaves_one_number_for_each_row(file: Path) -> None:
    """Neither the probabilities of all tokens nor attention weights take up memory for T steps."""
    graph = onnx.load(file).graph
    (loop,) = (node for node in graph.node if node.op_type == "Loop")
    (body,) = subgraphs(loop)
    carried = len(loop.input) - 2  # after the number of iterations and the condition
    (left,) = body.output[1 + carried :]
    assert len(left.type.tensor_type.shape.dim) == 1
    names = {
        value.name: [dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }
    assert names == {
        "source": ["batch", "length"],
        "target": ["batch", "tokens"],
        "log_probabilities": ["batch", "tokens"],
    }


@each_architecture("plain")
def test_other_architectures(changes: dict) -> None:
    model = toy_model(VOCABULARY, **changes)
    source, target = sources([7, 1, 5], VOCABULARY, seed=6), sources([2, 9, 1], VOCABULARY, seed=7)
    found = opened(convert_score(model))(source, target)
    np.testing.assert_allclose(found, model.score(source, target).log_probs, atol=1e-5, rtol=1e-5)


@pytest.mark.thorough
def test_8_bits_move_the_scores_of_pairs_a_little() -> None:
    model = toy_model(VOCABULARY, decoder_units=32, encoder_units=32)
    source = sources([7, 1, 5, 12], VOCABULARY, seed=6)
    target = sources([2, 9, 1, 6], VOCABULARY, seed=7)
    file = in_precision(convert_score(copy_with_int8_embeddings(model)), "int8")
    off = opened(file)(source, target) - model.score(source, target).log_probs
    per_token = np.abs(off.sum(axis=1)) / (target != 0).sum(axis=1)
    assert 0 < per_token.mean() < 0.1
