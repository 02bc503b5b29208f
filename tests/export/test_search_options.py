"""Exports keep the options of a search: constraints, coverage and groups in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_attention as ka
from keras_attention.export.onnx.convert import convert
from keras_attention.export.serving import ServingModule
from keras_attention.export.tflite import export_tflite
from tests.export.onnx.test_convert import assert_equals_keras, run
from tests.export.test_tflite import operators, runners
from tests.export.toy import sources, toy_model

VOCABULARY, T = 29, 11
CONSTRAINTS = (ka.decoding.MinLength(5), ka.decoding.NoRepeatedNgram(2))
GREEDY = ka.GreedySearch(CONSTRAINTS)
BEAM = ka.BeamSearch(3, 0.6, coverage_penalty=0.2, constraints=CONSTRAINTS)
GROUPS = ka.BeamSearch(4, 0.6, groups=2, diversity=0.8, constraints=CONSTRAINTS)
BATCH = [13, 2, 7, 1, 5]


@pytest.fixture(scope="module")
def model() -> ka.Seq2Seq:
    return toy_model(VOCABULARY)


@pytest.mark.thorough
@pytest.mark.parametrize("search", [GREEDY, BEAM, GROUPS], ids=["greedy", "coverage", "groups"])
def test_onnx(model: ka.Seq2Seq, search: Any) -> None:
    converted = convert(model, search, T)
    source = sources(BATCH, VOCABULARY, seed=1)
    assert_equals_keras(run(converted, source), model, source, search)
    lengths = model.generate(source, search, T).lengths
    assert lengths.min() >= 5
    assert model.generate(source, ka.GreedySearch(), T).lengths.min() < 5


@pytest.mark.thorough
@pytest.mark.parametrize("search", [BEAM, GROUPS], ids=["coverage", "groups"])
def test_tflite(model: ka.Seq2Seq, search: ka.BeamSearch, tmp_path: Path) -> None:
    serving = ServingModule(model, T, search, batch_size=1)
    file = export_tflite(serving, tmp_path / "model.tflite")
    assert schema.BuiltinOperator.CUSTOM not in operators(file)
    beam = runners(file)["beam"]
    batch = sources(BATCH, VOCABULARY, seed=1)
    expected = model.generate(batch, search, T)
    for row, source in enumerate(batch):
        found = beam(source=source[None])
        longest = expected.ids.shape[2]
        np.testing.assert_array_equal(found["ids"][0, :, :longest], expected.ids[row])
        np.testing.assert_allclose(found["scores"][0], expected.scores[row], atol=1e-5)


def test_the_search_with_options_keeps_those_that_are_no_inputs(model: ka.Seq2Seq) -> None:
    function = ServingModule(model, T, BEAM).functions(["search"])["search"]
    source = sources(BATCH, VOCABULARY, seed=1)
    found = function(source)
    expected = model.generate(source, BEAM, T)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-5)


def test_sampling_does_not_leave(model: ka.Seq2Seq) -> None:
    with pytest.raises(ValueError, match=r"exported models cannot sample.*SamplingSearch\("):
        convert(model, ka.SamplingSearch(), T)
