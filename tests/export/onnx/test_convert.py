from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import keras_attention as ka
from export.assets.reference import padded
from keras_attention.export.onnx.convert import convert, convert_function
from keras_attention.export.onnx.passes import op_types
from keras_attention.text.runs import RunDirectory
from tests.export.toy import each_architecture, sources, toy_model
from tests.variants import variants

VOCABULARY, T = 28, 11
BEAM = ka.BeamSearch(3, 0.6)


@pytest.fixture(scope="module")
def model(run: RunDirectory) -> ka.Seq2Seq:
    made = run.model()
    assert made.config.source_vocabulary == VOCABULARY
    return made


@pytest.fixture(scope="module")
def files(exported: Path) -> dict[str, Path]:
    return {name: exported / "onnx" / f"{name}.onnx" for name in ("greedy", "beam")}


def run(model: Path | onnx.ModelProto, source: np.ndarray) -> dict[str, np.ndarray]:
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"source": source}), strict=True))


def assert_equals_keras(
    found: dict[str, np.ndarray], model: ka.Seq2Seq, source: np.ndarray, search: object
) -> None:
    expected = padded(model.generate(source, search, T), T)._asdict()
    expected = {name: array for name, array in expected.items() if array is not None}
    assert set(found) == set(expected)
    for name in ("ids", "lengths"):
        np.testing.assert_array_equal(found[name], expected.pop(name))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-5, rtol=1e-5)
        assert found[name].dtype == array.dtype


@variants("search", [BEAM, ka.GreedySearch()], ids=["beam", "greedy"])
def test_mixed_lengths_in_batches_of_several_sizes(
    files: dict[str, Path], model: ka.Seq2Seq, search: object
) -> None:
    file = files["greedy" if isinstance(search, ka.GreedySearch) else "beam"]
    batches = [
        sources([13, 2, 7, 1, 5], VOCABULARY, seed=1),
        sources([1], VOCABULARY, seed=2),
        sources([3, 2], VOCABULARY, seed=3, pad_to=17),
        sources([11] * 19, VOCABULARY, seed=4),
    ]
    for source in batches:
        assert_equals_keras(run(file, source), model, source, search)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (2, 0)])
@pytest.mark.parametrize("name", ["greedy", "beam"])
def test_nothing_to_read(files: dict[str, Path], name: str, shape: tuple[int, int]) -> None:
    """ONNX Runtime's LSTM crashes the process if it gets no rows."""
    found = run(files[name], np.zeros(shape, "int32"))
    width = 3 if name == "beam" else 1
    assert found["ids"].shape == (shape[0], width, T)
    assert found["scores"].shape == found["lengths"].shape == (shape[0], width)
    assert found["attention"].shape == (shape[0], width, T, shape[1])


def test_some_hypotheses_end_and_some_are_cut(files: dict[str, Path]) -> None:
    lengths = run(files["beam"], sources([11] * 19, VOCABULARY, seed=4))["lengths"]
    assert lengths.min() < T
    assert lengths.max() == T


@pytest.mark.parametrize("name", ["greedy", "beam"])
def test_the_encoder_is_two_fused_lstms_and_the_search_the_only_loop(
    files: dict[str, Path], name: str
) -> None:
    graph = onnx.load(files[name]).graph
    kinds = [node.op_type for node in graph.node]
    assert (kinds.count("LSTM"), kinds.count("Loop")) == (2, 1)
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
    (loop,) = (node for node in graph.node if node.op_type == "Loop")
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    assert not weights & set(loop.input)
    assert "LSTM" in op_types(graph)


def test_names_types_and_open_dimensions(files: dict[str, Path]) -> None:
    graph = onnx.load(files["beam"]).graph
    described = {
        value.name: (
            onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type),
            [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
        )
        for value in [*graph.input, *graph.output]
    }
    assert described == {
        "source": ("INT32", ["batch", "length"]),
        "ids": ("INT32", ["batch", 3, T]),
        "lengths": ("INT32", ["batch", 3]),
        "scores": ("FLOAT", ["batch", 3]),
        "attention": ("FLOAT", ["batch", 3, T, "length"]),
    }


def test_triton_finds_the_same_files(files: dict[str, Path]) -> None:
    for name, file in files.items():
        folder = file.parent / "triton" / name
        assert (folder / "1" / "model.onnx").read_bytes() == file.read_bytes()
        config = (folder / "config.pbtxt").read_text(encoding="utf-8")
        assert f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: 0\n' in config
        assert 'input [ { name: "source" data_type: TYPE_INT32 dims: [ -1, -1 ] } ]' in config
        assert 'name: "attention" data_type: TYPE_FP32 dims: [ -1, ' in config


@each_architecture()
def test_other_architectures(changes: dict) -> None:
    model = toy_model(VOCABULARY, **changes)
    source = sources([7, 1, 5], VOCABULARY, seed=6)
    found = run(convert(model, BEAM, T), source)
    assert_equals_keras(found, model, source, BEAM)


def test_a_selection_or_a_lookup_is_one_operation() -> None:
    import tensorflow as tf

    table = np.arange(15, dtype="float32").reshape(5, 3)

    @tf.function(autograph=False)
    def function(x: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {
            "selected": keras.ops.where(x > 2.0, 2.0 - x, x),
            "columns": keras.ops.take(x, index, axis=1),
            "rows": keras.ops.take(table, index, axis=0),
            "other": tf.gather(x, tf.where(index < 0, index + 3, index)),  # x has 7 rows, not 3
        }
        return {name: tf.identity(value, name) for name, value in outputs.items()}

    x = np.repeat(np.array([[1, np.inf, -np.inf, 5]], "float32"), 7, axis=0)
    x += np.arange(7, dtype="float32")[:, None]
    index = np.array([-1, 0, 2], "int32")
    specs = [tf.TensorSpec((None, None), "float32"), tf.TensorSpec((None,), "int32")]
    converted = convert_function(function, specs, "parts")
    kinds = [node.op_type for node in converted.graph.node]
    assert (kinds.count("Where"), kinds.count("Gather"), kinds.count("Shape")) == (2, 3, 0)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    given = dict(zip([value.name for value in session.get_inputs()], (x, index), strict=True))
    for name, expected in function(x, index).items():
        np.testing.assert_array_equal(session.run([name], given)[0], expected)


@pytest.mark.thorough
def test_a_machine_with_a_gpu_exports_the_same_operators(
    model: ka.Seq2Seq, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras would choose cuDNN's LSTM there, which ONNX does not have."""
    backend = sys.modules["keras.src.backend.tensorflow.rnn"]
    monkeypatch.setattr(backend, "_is_gpu_available", lambda: True)
    converted = convert(model, ka.GreedySearch(), T)
    assert op_types(converted.graph) == op_types(onnx.load(files["greedy"]).graph)
    lstms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.LSTM)]
    assert [lstm.use_cudnn for lstm in lstms] == ["auto"] * 2
