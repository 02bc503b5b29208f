"""The functions of a model that searches: names, options as inputs, strings, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.export.tracing import ModelFunctions
from tests.arrays import randomize
from tests.conformance.test_own_decoders import WRITERS
from tests.keras_attention.model.test_step_model import SOURCE, Bare, Describer, describer
from tests.variants import variants

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow exports models"
)
T, BEAM = 5, ka.BeamSearch(3, 0.6)


@pytest.fixture(scope="module")
def model() -> Describer:
    return describer()


@pytest.fixture
def reader() -> Any:
    """A model whose source is ids, with tokenizers of letters."""
    letters = ka.SentencePieceTokenizer.train(
        ["abc", "cab", "bca ab"] * 5, vocabulary_size=8, model_type="char"
    )
    size = letters.vocabulary_size
    model = ka.Seq2Seq(ka.Seq2SeqConfig(size, size, encoder_units=3, decoder_units=4))
    randomize(model, seed=4, scale=1.5)
    return model, letters


def step_inputs(functions: Any, source: Any) -> dict[str, np.ndarray]:
    encoded = functions["encode"].call(**source)
    tokens = {"tokens": np.array([4, 1], "int32")}
    return tokens | {name: ops.convert_to_numpy(x) for name, x in encoded.items()}


@variants("file", ["model.tflite", "model", "onnx"])
def test_nests_of_inputs_memory_and_state(model: Describer, file: str, tmp_path: Path) -> None:
    functions = ka.export.search_functions(model, T, BEAM)
    longer = {**SOURCE, "sensor": np.pad(SOURCE["sensor"], ((0, 0), (2, 7), (0, 0)))}
    inputs: dict[str, Any] = {name: [SOURCE, longer] for name in ("greedy", "beam", "encode")}
    inputs["decode_step"] = step_inputs(functions, SOURCE)
    path = WRITERS[file](model, tmp_path / file, functions=functions)
    assert ka.export.check(path, model, inputs, functions=functions, atol=1e-5) == []


def test_a_search_in_a_graph_is_that_of_the_model(model: Describer) -> None:
    functions = ka.export.search_functions(model, T, BEAM, ["greedy", "beam"])
    traced = ModelFunctions(model, functions=functions).functions()
    for name, search in (("greedy", None), ("beam", BEAM)):
        found, expected = traced[name](**SOURCE), model.generate(SOURCE, search, T)
        longest = expected.ids.shape[2]
        np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
        np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-6)
        np.testing.assert_allclose(
            found["attention"][:, :, :longest], np.asarray(expected.attention), atol=1e-6
        )


def test_names_of_nests(model: Describer) -> None:
    functions = ka.export.search_functions(model, T)
    cells = [f"state_cells_{i}" for i in range(3)]
    memory = ["memory_seen_values", "memory_seen_keys"]
    assert set(functions["beam"].specs) == {"image", "sensor"}
    assert list(functions["encode"].call(**SOURCE)) == memory + cells
    step = functions["decode_step"]
    assert list(step.specs) == ["tokens", *memory, *cells]
    found = step.call(**step_inputs(functions, SOURCE))
    assert set(found) == {"log_probs", "weights", *(f"next_{name}" for name in cells)}


def test_the_names_of_our_own_format(reader: Any) -> None:
    model, _ = reader
    step = ka.export.search_functions(model, T)["decode_step"]
    states = [f"state_{i}" for i in range(len(model.decoder.state_sizes))]
    assert list(step.specs)[:4] == ["tokens", "memory", "keys", "memory_mask"]
    assert set(states) <= set(step.specs)
    assert step.specs["memory_mask"].dtype == "float32"


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        (keras.InputSpec(shape=(None, 2)), ["source"]),
        (keras.InputSpec(shape=(None, 2), name="pixels"), ["pixels"]),
        (
            [keras.InputSpec(shape=(None, 2)), keras.InputSpec(shape=(None, 3))],
            ["source_0", "source_1"],
        ),
    ],
)
def test_the_names_of_sources(specs: Any, names: list[str]) -> None:
    class Named(Bare):
        source_specs, has_attention = specs, False

    functions = ka.export.search_functions(Named(), T, names=["greedy"])
    assert list(functions["greedy"].specs) == names


@pytest.mark.thorough
def test_options_as_inputs_of_a_saved_model(model: Describer, tmp_path: Path) -> None:
    functions = ka.export.search_functions(model, T, BEAM, ["search"])
    path = ka.export.to_saved_model(model, tmp_path / "model", functions=functions)
    search = tf.saved_model.load(str(path)).signatures["search"]
    source = {name: tf.constant(array) for name, array in SOURCE.items()}

    def asked(width: int, penalty: float, length: int) -> Any:
        return search(
            **source,
            beam_width=tf.constant(width),
            length_penalty=tf.constant(penalty),
            max_length=tf.constant(length),
        )

    for width, penalty, length in ((3, 0.6, T), (2, 0.0, 3), (1, 0.0, 4)):
        found = asked(width, penalty, length)
        expected = model.generate(SOURCE, ka.BeamSearch(width, penalty), length)
        longest = expected.ids.shape[2]
        np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
        np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="beam_width must be positive"):
        asked(0, 0.6, T)
    given = {"search": [SOURCE, {**SOURCE, "beam_width": 2, "length_penalty": 0}]}
    assert ka.export.check(path, model, given, functions=functions) == []


@variants("file", ["onnx", "model"])
def test_strings(reader: Any, file: str, tmp_path: Path) -> None:
    model, letters = reader
    translator = ka.Translator(model, letters, letters, max_source_length=9, max_length=T)
    functions = ka.export.search_functions(
        model, T, names=["translate"], tokenizers=(letters, letters), max_source_length=9
    )
    texts = ["cab", "", "a b", "bbbb"]
    traced = functions["translate"].call(text=tf.constant(texts))
    expected = [translation.text for translation in translator(texts)]
    assert [text.decode() for text in traced["text"].numpy()[:, 0]] == expected
    path = WRITERS[file](model, tmp_path / file, functions=functions)
    calls = {"translate": [{"text": texts[:1]}, {"text": texts}]}
    assert ka.export.check(path, model, calls, functions=functions, atol=1e-5) == []
    randomize(model, seed=5, scale=1.5)
    found = ka.export.check(path, model, calls, functions=functions)
    assert {one.output for one in found} >= {"text", "scores"}


class Silent(ka.model.StepModel, keras.Model):
    """A model that says nothing of itself."""


def test_what_cannot_be_exported_is_told_why(model: Describer, reader: Any, tmp_path: Path) -> None:
    functions = ka.export.search_functions
    with pytest.raises(TypeError, match=r"`model` must be a StepModel. Received: a Dense"):
        functions(keras.layers.Dense(1))
    with pytest.raises(TypeError, match=r"`source_specs` of Silent must be a keras.InputSpec"):
        functions(Silent())
    with pytest.raises(ValueError, match=r"`max_length` must be a positive integer"):
        functions(model, 0)
    with pytest.raises(ValueError, match=r"`names` must be one of \('greedy', .*names='best'"):
        functions(model, names=["best"])
    with pytest.raises(ValueError, match="functions on strings need tokenizers"):
        functions(model, names=["translate"])
    letters = reader[1]
    both = (letters, letters)
    with pytest.raises(ValueError, match=r"source is ids: set its .*Received: a Describer"):
        functions(model, names=["translate"], tokenizers=both)
    other = ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, encoder_units=3, decoder_units=4))
    with pytest.raises(ValueError, match=r"`tokenizers` must have 11 source and 13 target tokens"):
        functions(other, names=["translate"], tokenizers=both)
    on_strings = functions(reader[0], names=["translate"], tokenizers=both)
    with pytest.raises(ValueError, match="TFLite has no tokenizers: export a function on ids"):
        ka.export.to_tflite(reader[0], tmp_path / "model.tflite", functions=on_strings)
    searched = functions(model, names=["search"])
    with pytest.raises(ValueError, match=r"ONNX has no inputs with defaults.*\['search'\]"):
        ka.export.to_onnx(model, tmp_path / "onnx", functions=searched)
    with pytest.raises(TypeError, match=r"`beam` must be a BeamSearch.*Received: beam=3"):
        functions(model, beam=3)
    with pytest.raises(ValueError, match=r"functions=ka.export.search_functions\(model\)"):
        ka.export.to_onnx(model, tmp_path / "model.onnx")
    greedy = functions(model, names="greedy")
    checked: list[tuple[Any, str]] = [
        ({"beam": SOURCE}, r"at least one of the functions \('greedy',\).*Received: \['beam'\]"),
        ({}, r"at least one of the functions.*Received: \[\]"),
        ([SOURCE], r"at least one of the functions.*Received: a list"),
        ({"greedy": {"image": SOURCE["image"]}}, r"inputs \['image', 'sensor'\].*call 0 with"),
        ({"greedy": [np.ones(3)]}, "the arrays of each call by name"),
    ]
    for inputs, message in checked:
        with pytest.raises(ValueError, match=message):
            ka.export.check(tmp_path, model, inputs, functions=greedy)
