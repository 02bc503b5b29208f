"""Weights in fewer bits: how close the model stays to the original, in its runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_attention as ka
from export.layout import parts_of, with_precision
from export.onnx_files import export_onnx
from export.pipeline import export_run
from export.verify.__main__ import main as verify
from export.verify.compare import Comparison
from export.verify.report import problems
from export.verify.verification import Row
from keras_attention.export.formats import OPSET
from keras_attention.export.onnx.passes import op_types
from keras_attention.export.onnx.quantize import int8_onnx
from keras_attention.export.quantize import copy_with_int8_embeddings, with_shared_buffers
from keras_attention.export.serving import ServingModule
from keras_attention.export.tflite import export_tflite
from keras_attention.text.runs import RunDirectory
from tests.arrays import randomize, to_numpy
from tests.export.toy import sources
from tests.variants import variants

VOCABULARY, T = 900, 6
BEAM = ka.BeamSearch(2)
PRECISIONS = {"float32": (1.0, 0.0), "float16": (0.55, 2e-3), "int8": (0.4, 0.03)}
"""For each, the largest allowed fraction of float32's bytes, and the tolerance."""
STORED = {
    "float32": onnx.TensorProto.FLOAT,
    "float16": onnx.TensorProto.FLOAT16,
    "int8": onnx.TensorProto.INT8,
}


def model(tie: str | None = None) -> ka.Seq2Seq:
    """A model large enough for its weights to make up most of a file."""
    made = ka.Seq2Seq(
        ka.Seq2SeqConfig(
            source_vocabulary=VOCABULARY,
            target_vocabulary=VOCABULARY,
            embedding_size=96,
            encoder_units=96,
            decoder_units=192,
            attention_units=96,
            attention_layer_units=96,
            tie_embeddings=tie,
        )
    )
    randomize(made, seed=3, scale=0.15)
    return made


@pytest.mark.thorough
def test_int8_of_a_search_that_needs_no_state_of_the_encoder(tmp_path: Path) -> None:
    sizes = {"embedding_size": 16, "encoder_units": 16, "decoder_units": 32, "attention_units": 16}
    made = ka.Seq2Seq(ka.Seq2SeqConfig(23, 29, **sizes, bridge="zeros"))
    randomize(made, seed=3)
    source = sources([6, 3], 23, seed=1)
    found = made.generate(source, max_length=T)
    file, *_ = export_onnx(
        copy_with_int8_embeddings(made), tmp_path, max_length=T, search=BEAM, precision="int8"
    )
    ids, scores = onnxruntime.InferenceSession(file).run(["ids", "scores"], {"source": source})
    np.testing.assert_array_equal(ids, to_numpy(found.ids))
    np.testing.assert_allclose(scores, to_numpy(found.scores), atol=0.3)


@pytest.fixture(scope="module")
def models() -> dict[str, ka.Seq2Seq]:
    whole = model()
    return {"float32": whole, "float16": whole, "int8": copy_with_int8_embeddings(whole)}


def log_probs(model: ka.Seq2Seq, source: np.ndarray) -> np.ndarray:
    """Log-probabilities of the first two steps."""
    memory, state = model.encode(source)
    first, _, state = model.decode_step(np.array([1, 1], "int32"), state, memory)
    second, _, _ = model.decode_step(np.array([5, 7], "int32"), state, memory)
    return np.stack([to_numpy(first), to_numpy(second)])


@variants("tie", [None, "output", "all"], core=2)
def test_embeddings_in_8_bits(tie: str | None) -> None:
    whole, source = model(tie), sources([6, 3], VOCABULARY, seed=1)
    before = log_probs(whole, source)
    twin = copy_with_int8_embeddings(whole)
    types = [weight.dtype for weight in twin.weights if tuple(weight.shape) == (VOCABULARY, 96)]
    assert types == ["int8", "int8"]
    difference = np.abs(log_probs(twin, source) - before).max()
    assert 0 < difference < 0.01
    np.testing.assert_array_equal(log_probs(whole, source), before)


@variants("precisions", [("int8",), ("float32", "float16", "int8")], ids="-".join)
def test_tflite(models: dict[str, ka.Seq2Seq], precisions: tuple[str, ...], tmp_path: Path) -> None:
    source = sources([9], VOCABULARY, seed=2)
    whole = models["float32"]
    memory, state = whole.encode(source)
    found = {"float32": to_numpy(whole.decode_step(np.ones(1, "int32"), state, memory)[0])}
    sizes = {"float32": 4 * whole.count_params()}
    for precision in precisions:
        serving = ServingModule(models[precision], T, BEAM, batch_size=1)
        path = export_tflite(serving, tmp_path / f"{precision}.tflite", precision)
        sizes[precision] = path.stat().st_size
        interpreter = Interpreter(str(path), num_threads=1)
        encoded = interpreter.get_signature_runner("encode")(source=source)
        step = interpreter.get_signature_runner("decode_step")
        found[precision] = step(tokens=np.ones(1, "int32"), **encoded)["log_probs"]
        for search in ("greedy", "beam"):
            lengths = interpreter.get_signature_runner(search)(source=source)["lengths"]
            assert (lengths > 0).all()
    assert_coarser(found, sizes)


@pytest.mark.thorough
@variants(("tie", "shared"), [("output", 1), (None, 0), ("all", 1)])
def test_tables_that_a_model_shares_are_in_its_file_once(
    tie: str | None, shared: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bytes] = []

    def noted(content: bytes) -> bytes:
        given.append(content)
        return with_shared_buffers(content)

    monkeypatch.setattr("keras_attention.export.tflite.with_shared_buffers", noted)
    serving = ServingModule(copy_with_int8_embeddings(model(tie)), T, BEAM, batch_size=1)
    file = export_tflite(serving, tmp_path / "int8.tflite", "int8")
    saved = len(given[0]) - file.stat().st_size
    assert shared * VOCABULARY * 96 <= saved < shared * VOCABULARY * 96 + 9000
    (tmp_path / "before.tflite").write_bytes(given[0])
    answers = []
    for path in (file, tmp_path / "before.tflite"):
        beam = Interpreter(str(path), num_threads=1).get_signature_runner("beam")
        answers.append(beam(source=sources([9], VOCABULARY, seed=2)))
    for name, array in answers[0].items():
        np.testing.assert_array_equal(array, answers[1][name])


@pytest.mark.thorough
def test_onnx(models: dict[str, ka.Seq2Seq], tmp_path: Path) -> None:
    source = sources([9, 4], VOCABULARY, seed=2)
    found: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    for precision, used in models.items():
        files = export_onnx(used, tmp_path, max_length=T, search=BEAM, precision=precision)
        kinds_of_file = ("greedy.onnx", "beam.onnx", "score.onnx")
        names = [with_precision(name, precision) for name in kinds_of_file]
        assert [file.name for file in files] == names
        for file in files[:2]:
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            (scores,) = session.run(["scores"], {"source": source})
            assert np.isfinite(scores).all()
            found.setdefault(precision, scores)
        sizes[precision] = files[0].stat().st_size
        used_types = op_types(onnx.load(files[0]).graph)
        assert "LSTM" in used_types
        assert ("MatMulInteger" in used_types) == (precision == "int8")
        kinds = {x.data_type for x in large(onnx.load(files[0]))}
        assert kinds == {STORED[precision]}
    assert_coarser(found, sizes)


def test_each_column_of_a_matrix_has_a_scale_but_its_product_only_one() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3, 19)).astype("float32")
    matrix = (rng.uniform(-1, 1, (19, 5)) * [1.0, 1e-3, 30.0, 1e-5, 0.0]).astype("float32")
    shapes = {"x": [None, 19], "y": [None, 5]}
    given, result = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    product = onnx.helper.make_node("MatMul", ["x", "matrix"], ["y"])
    stored = onnx.numpy_helper.from_array(matrix, "matrix")
    graph = onnx.helper.make_graph([product], "product", [given], [result], [stored])
    version = onnx.helper.make_opsetid("", OPSET)
    made = int8_onnx(onnx.helper.make_model(graph, opset_imports=[version], ir_version=8))
    sizes = {tensor.name: list(tensor.dims) for tensor in made.graph.initializer}
    factors = [
        sizes[y] for n in made.graph.node if n.op_type == "Mul" for y in n.input if y in sizes
    ]
    assert factors == [[], [5]]
    session = onnxruntime.InferenceSession(made.SerializeToString())
    (found,) = session.run(["y"], {"x": x})
    errors = np.abs(found - x @ matrix).max(axis=0)
    assert (errors <= 0.1 * np.abs(matrix).max(axis=0)).all()
    assert (errors[:-1] > 0).all()


def large(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The matrices of the LSTMs: except for their scales, only they have three axes."""
    return [x for x in model.graph.initializer if len(x.dims) == 3 and x.dims[1] > 1]


def assert_coarser(found: dict[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Smaller, not the same, and about the same."""
    exact = found["float32"]
    for precision in found:
        share, error = PRECISIONS[precision]
        assert sizes[precision] <= share * sizes["float32"]
        difference = np.abs(found[precision] - exact).max()
        assert (difference > 0) == (precision != "float32")
        assert difference <= error * np.abs(exact).max()


@pytest.mark.thorough
def test_an_export_in_all_precisions(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = export_run(run.path, tmp_path / "toy", ["tflite", "onnx"], ["int8", "float16"])
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    tflite = ["tflite/model.tflite", "tflite/model.float16.tflite", "tflite/model.int8.tflite"]
    searches = ["onnx/greedy{}.onnx", "onnx/beam{}.onnx", "onnx/translate{}.onnx"]
    names = [*searches, "onnx/score{}.onnx"]
    onnx_files = [x.format(end) for end in ("", ".float16", ".int8") for x in names]
    assert config["artefacts"] == {"tflite": tflite, "onnx": onnx_files}
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert f"| `{tflite[1]}`, `{tflite[2]}`, `{onnx_files[4]}`" in readme
    capsys.readouterr()
    assert verify([str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| TFLite int8 ") == printed.count("| TFLite float16 ") == 3
    rows = json.loads((out / "verification.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        limit = {"translate": None, "score": 0.05}.get(row["signature"], 1.0)
        may_lose = None if row["precision"] == "float32" else limit
        assert row["comparison"]["may_lose"] == may_lose
        assert (row["comparison"]["bleu"] is None) == (row["signature"] in ("translate", "score"))
    off = {row["precision"]: row["comparison"]["nats_off"] for row in rows[-9:]}
    assert off["float32"] < 1e-5 < off["float16"] < off["int8"] < 0.05


def test_unknown_precisions_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Argument `precisions` must be among .*int4"):
        export_run(run.path, tmp_path / "toy", precisions=["int4"])
    with pytest.raises(ValueError, match=r"`precisions` requires one of the formats .*saved_model"):
        export_run(run.path, tmp_path / "toy", ["saved_model"], ["int8"])
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize(("lost", "passed"), [(1.0, True), (1.1, False), (None, True)])
def test_some_bleu_may_be_lost(lost: float | None, passed: bool) -> None:
    comparison = Comparison(9, equal=3, may_lose=1.0, bleu=30.0, bleu_lost=lost)
    assert comparison.passed == passed
    row = Row(
        "onnx", "int8", "onnx/beam.int8.onnx", "ONNX Runtime", "beam", comparison, 1.0, 1, None
    )
    message = "onnx/beam.int8.onnx (beam) loses 1.10 BLEU against the Keras model, more than 1.0"
    assert problems([row]) == ([] if passed else [message])


@pytest.mark.parametrize(("off", "passed"), [(0.05, True), (0.062, False), (np.inf, False)])
def test_scores_of_pairs_may_be_off_a_little(off: float, passed: bool) -> None:
    comparison = Comparison(9, score_difference=2.0, may_lose=0.05, nats_off=off)
    assert comparison.passed == passed
    file = "onnx/score.int8.onnx"
    row = Row("onnx", "int8", file, "ONNX Runtime", "score", comparison, 1.0, 1, None)
    message = f"{file} (score) is off by {off:.3f} nats per token from the Keras model, more than "
    assert problems([row]) == ([] if passed else [f"{message}0.05"])


def test_names_of_files() -> None:
    for precision in ("float32", "int8"):
        assert parts_of(with_precision("onnx/beam.onnx", precision)) == ("beam", precision)
