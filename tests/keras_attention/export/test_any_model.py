"""Models of one's own as files: run in TensorFlow, LiteRT and ONNX Runtime, without Keras."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.export.tracing import ModelFunctions
from tests.arrays import randomize, uniform
from tests.variants import variants

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow exports models"
)

START, END, WORDS = 1, 2, 11
WRITERS: dict[str, Callable[..., Path]] = {
    "model": ka.export.to_saved_model,
    "model.tflite": ka.export.to_tflite,
    "model.onnx": ka.export.to_onnx,
}
each_format = pytest.mark.parametrize("file", WRITERS)


def forecaster() -> keras.Model:
    """What is to come, step by step, from readings of any length."""
    readings, known = keras.Input((None, 3), name="readings"), keras.Input((None, 2), name="known")
    encoded, *_ = ka.BiLSTMEncoder(5)(readings)
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(7), ka.BahdanauAttention(4))
    steps = keras.layers.Dense(2)(decoder(known, memory=encoded))
    model = keras.Model({"readings": readings, "known": known}, {"steps": steps})
    randomize(model, seed=3)
    return model


def calls(rows: int = 2) -> list[dict[str, np.ndarray]]:
    return [
        {"readings": uniform(rows, s, 3, seed=s), "known": uniform(rows, t, 2, seed=t)}
        for s, t in ((1, 1), (6, 4), (19, 7))
    ]


class Captioner(keras.Model):
    """A decoder of one's own over features of any number, and a beam search with it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = keras.layers.Embedding(WORDS, 6)
        self.look = keras.layers.Dense(5, "tanh")
        self.decoder = ka.AttentionDecoder(keras.layers.GRUCell(8), ka.BahdanauAttention(4))
        self.words = keras.layers.Dense(WORDS)

    def call(self, inputs: Any) -> Any:
        memory = self.look(inputs["features"])
        return self.words(self.decoder(self.embed(inputs["ids"]), memory=memory))

    def look_at(self, features: Any) -> Any:
        return self.look(features)

    def caption(self, features: Any) -> Any:
        memory = self.decoder.prepare(self.look(features))
        state = {"decoder": self.decoder.initial_state(memory), "memory": memory}
        start = ops.full((ops.shape(features)[0],), START, dtype="int32")
        return ka.decoding.beam_search(
            self.step,
            state,
            start,
            end_id=END,
            max_length=6,
            width=3,
            attention_length=ops.shape(features)[1],
        )

    def step(self, tokens: Any, state: Any) -> Any:
        output, weights, after = self.decoder.step(
            self.embed(tokens), state["decoder"], state["memory"]
        )
        state = {"decoder": after, "memory": state["memory"]}
        return ops.log_softmax(self.words(output)), weights, state


def captioner() -> Captioner:
    model = Captioner()
    model({"features": np.zeros((1, 2, 7), "float32"), "ids": np.ones((1, 1), "int32")})
    randomize(model, seed=5, scale=2.0)
    return model


@variants("file", ["model.tflite", "model.onnx", "model"], core=2)
def test_a_model_does_in_its_runtime_what_it_does_in_keras(file: str, tmp_path: Path) -> None:
    model = forecaster()
    path = WRITERS[file](model, tmp_path / "new" / file)
    assert path == tmp_path / "new" / file
    assert ka.export.check(path, model, calls(), atol=1e-5) == []


@variants("file", ["model.onnx", "model.tflite", "model"])
def test_what_is_not_the_model_differs(file: str, tmp_path: Path) -> None:
    model = forecaster()
    path = WRITERS[file](model, tmp_path / file)
    randomize(model, seed=4)
    found = ka.export.check(path, model, calls())
    assert [(one.function, one.call, one.output) for one in found] == [
        ("serving_default", call, "steps") for call in range(3)
    ]
    assert all(0.01 < one.largest < 10.0 and one.problem is None for one in found)


@variants("precision", ["int8", "float16"])
@variants("file", ["model.tflite", "model.onnx"])
def test_weights_in_fewer_bits(file: str, precision: str, tmp_path: Path) -> None:
    model = forecaster()
    path = WRITERS[file](model, tmp_path / file, precision=precision)
    found = ka.export.check(path, model, calls(), atol=0.0)
    assert 0.0 < max(one.largest for one in found) < {"int8": 0.1, "float16": 0.01}[precision]


@variants("file", ["model.onnx", "model.tflite"])
def test_weights_in_8_bits_inside_and_outside_of_loops(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Keras runs the first step of a masked layer once more, outside of its loop."""
    readings = keras.Input((None, 3), name="readings")
    gru, dense = keras.layers.GRU(7, return_sequences=True), keras.layers.Dense(7, "tanh")
    model = keras.Model(readings, dense(gru(keras.layers.Masking()(readings))))
    randomize(model, seed=4)

    def read(readings: Any) -> Any:
        once = dense(model(readings))
        twice = ops.fori_loop(0, 3, lambda _, x: dense(dense(x)), once)
        return {"once": once, "twice": ops.fori_loop(0, 2, lambda _, x: dense(x) - once, twice)}

    spec = {"readings": keras.InputSpec(shape=(None, None, 3), dtype="float32")}
    functions = {"read": (read, spec)}
    path = WRITERS[file](
        model, tmp_path / file.replace(".onnx", ""), functions=functions, precision="int8"
    )
    padded = uniform(2, 9, 3, seed=1)
    padded[1, 5:] = 0.0
    found = ka.export.check(
        path, model, {"read": {"readings": padded}}, functions=functions, atol=0
    )
    assert not caplog.records
    assert {one.output for one in found} == {"once", "twice"}
    assert 0.0 < max(one.largest for one in found) < 0.05


@variants("file", ["model.onnx", "model.tflite"])
def test_embeddings_in_8_bits(file: str, tmp_path: Path) -> None:
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = keras.layers.Embedding(2000, 16)
    model = keras.Model(ids, ka.AttentionPooling(3)(embedding(ids)))
    randomize(model, seed=2)
    path = WRITERS[file](model, tmp_path / file, precision="int8")
    assert 2000 * (16 + 4) < path.stat().st_size < 2000 * (16 + 4) + 20_000
    calls = [
        {"ids": np.array([[3, 1999, 7]], "int32")},
        {"ids": np.arange(40)[None].astype("int32")},
    ]
    (largest,) = {
        one.output: one.largest for one in ka.export.check(path, model, calls, atol=0)
    }.values()
    assert 0.0 < largest < 0.02
    assert ka.export.check(WRITERS[file](model, path), model, calls, atol=1e-5) == []  # unchanged


@pytest.mark.parametrize(
    "file", ["model.tflite", pytest.param("model.onnx", marks=pytest.mark.thorough)]
)
def test_a_beam_search_over_a_decoder_of_ones_own(file: str, tmp_path: Path) -> None:
    model = captioner()
    spec = {"features": keras.InputSpec(shape=(None, None, 7), dtype="float32")}
    functions = {"caption": (model.caption, spec), "look": (model.look_at, spec)}
    path = WRITERS[file](model, tmp_path / file.replace(".onnx", ""), functions=functions)
    given = [{"features": uniform(2, s, 7, seed=s)} for s in (1, 4, 9)]
    inputs = {"caption": given, "look": given[:1]}
    assert ka.export.check(path, model, inputs, functions=functions, atol=1e-5) == []


@pytest.mark.thorough
def test_functions_of_a_file_run_in_one_process_unless_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an app: what one signature does to the others would show."""
    started: list[Any] = []
    run = subprocess.run

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    model = forecaster()
    specs = {
        name: keras.InputSpec(shape=(None, None, size), dtype="float32")
        for name, size in (("readings", 3), ("known", 2))
    }
    functions = {name: (lambda **given: model(given), specs) for name in ("one", "two")}
    path = ka.export.to_tflite(model, tmp_path / "model.tflite", functions=functions, batch_size=2)
    inputs = {"one": calls(), "two": calls()}
    assert ka.export.check(path, model, inputs, functions=functions, atol=1e-5) == []
    assert len(started) == 1
    inputs["two"] = calls(rows=3)
    (found,) = ka.export.check(path, model, inputs, functions=functions, atol=1e-5)
    assert (found.function, found.largest) == ("two", np.inf)
    assert "takes `readings` of shape (2, -1, 3)" in str(found.problem)
    assert len(started) == 4


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="memray sees XNNPACK's workspace on Linux")
def test_a_workspace_that_grows_is_a_difference(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    model = forecaster()
    long = [*calls(), calls()[0] | {"readings": uniform(2, 900, 3, seed=1)}]
    path = ka.export.to_tflite(model, tmp_path / "model.tflite", longest=900)
    assert ka.export.check(path, model, long, atol=1e-5) == []
    path = ka.export.to_tflite(model, tmp_path / "model.tflite", longest=1)
    found = ka.export.check(path, model, long, atol=1e-5)
    assert "workspace grew to" in str(found[0].problem)
    assert "`longest`" in str(found[0].problem)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"a": keras.Input((2,), name="a"), "b": keras.Input((2,), name="b")}, ("a", "b")),
        ([keras.Input((2,), name="left"), keras.Input((2,), name="right")], ("left", "right")),
        (keras.Input((2,), name="alone"), ("alone",)),
        ([keras.Input((2,)), keras.Input((2,))], ("input_0", "input_1")),
    ],
)
def test_the_names_of_inputs(inputs: Any, expected: tuple[str, ...]) -> None:
    both = keras.tree.flatten(inputs)
    made = ModelFunctions(keras.Model(inputs, [ops.add(both[0], both[-1]), both[0]]))
    assert tuple(made.specs["serving_default"]) == expected
    (traced,) = made.functions().values()
    assert set(traced.structured_outputs) == {"output_0", "output_1"}


def test_a_sequential_and_a_subclassed_model() -> None:
    sequential = keras.Sequential([keras.Input((None, 3), name="x"), keras.layers.Dense(2)])
    assert tuple(ModelFunctions(sequential, batch_size=4).specs["serving_default"]) == ("x",)
    signature = {
        "features": keras.InputSpec(shape=(None, None, 7), dtype="float32"),
        "ids": keras.InputSpec(shape=(None, None), dtype="int32"),
    }
    specs = ModelFunctions(captioner(), signature, batch_size=4).specs["serving_default"]
    assert {name: spec.shape.as_list() for name, spec in specs.items()} == {
        "features": [4, None, 7],
        "ids": [4, None],
    }


def test_what_was_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ka.export.to_saved_model(forecaster(), tmp_path / "model", verbose=True)
    assert capsys.readouterr().out == f"Wrote {path} with serving_default(readings, known)\n"


def test_a_model_that_cannot_be_exported_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    with pytest.raises(ValueError, match="`input_signature` must give the inputs of a subclassed"):
        ka.export.to_saved_model(captioner(), path)
    with pytest.raises(ValueError, match="`model` must be built: call it once"):
        ka.export.to_saved_model(Captioner(), path)
    with pytest.raises(TypeError, match=r"`model` must be a Keras model\. Received: a Dense"):
        ka.export.to_saved_model(keras.layers.Dense(1), path)
    with pytest.raises(ValueError, match="must give the shape of every input"):
        ka.export.to_saved_model(captioner(), path, input_signature={"ids": "int32"})
    with pytest.raises(ValueError, match="`precision` must be one of"):
        ka.export.to_onnx(forecaster(), path, precision="int4")
    for write in WRITERS.values():
        with pytest.raises(
            TypeError, match=r"`model` must be a Keras model\. Received: a PosixPath"
        ):
            write(path, forecaster())
        with pytest.raises(TypeError, match=r"`verbose` must be True or False; .*: verbose={'ids'"):
            write(captioner(), path, {"ids": keras.InputSpec(shape=(None, 3))})
    path.mkdir()
    (path / "diary.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="a new folder or a SavedModel to replace"):
        ka.export.to_saved_model(forecaster(), path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"load the `\.keras` file with KERAS_BACKEND=tensorflow"):
        ka.export.to_tflite(forecaster, path)


def test_padding_in_8_bits(tmp_path: Path) -> None:
    readings = keras.Input((None, 3), name="readings")
    encoded, *_ = ka.BiLSTMEncoder(8)(keras.layers.Masking()(readings))
    model = keras.Model(readings, {"encoded": encoded})
    randomize(model, seed=6)
    full = uniform(1, 9, 3, seed=1)
    after, before, hole = full.copy(), full.copy(), full.copy()
    after[:, 6:], before[:, :3], hole[:, 4] = 0.0, 0.0, 0.0
    path = ka.export.to_tflite(model, tmp_path / "model.tflite", precision="int8")
    calls = [{"readings": array} for array in (full, after, before, hole)]
    found = ka.export.check(path, model, calls, atol=0.0)
    assert 0.0 < max(one.largest for one in found) < 0.02


FORBIDDEN: dict[str, tuple[Any, str]] = {
    "random": (lambda x: x + keras.random.uniform((3,)), "draws random numbers"),
    "python": (lambda x: tf.numpy_function(np.sinh, [x], tf.float32), "calls a Python function"),
}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("model.tflite", "random"),
        ("model.onnx", "random"),
        ("model.tflite", "python"),
        ("model.onnx", "python"),
        ("model", "python"),
    ],
)
def test_what_a_file_must_not_contain(file: str, kind: str, tmp_path: Path) -> None:
    function, message = FORBIDDEN[kind]
    spec = {"x": keras.InputSpec(shape=(None, 3), dtype="float32")}
    given = {"own": (lambda x: {"y": function(x)}, spec)}
    with pytest.raises(ValueError, match=f"cannot be exported: it {message}") as caught:
        WRITERS[file](forecaster(), tmp_path / "new" / file, functions=given)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({}, "must hold at least one function"),
        ({"a/b": (ops.abs, {"x": None})}, "names that are Python identifiers.*'a/b'"),
        ({"f": (ops.abs, {"a b": None})}, "names that are Python identifiers.*'a b'"),
        ([(ops.abs, {"x": None})], "`functions` must be a dictionary of functions by name"),
        ({"f": ops.abs}, r"a pair for each name.*functions\['f'\]"),
        ({"f": (ops.abs, keras.InputSpec(shape=(1,)))}, r"a pair for each name"),
    ],
)
def test_functions_that_cannot_be(functions: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ka.export.to_onnx(forecaster(), tmp_path / "model", functions=functions)


@each_format
@pytest.mark.parametrize("name", ["my-input", "class"])
def test_an_input_needs_a_name_that_every_format_keeps(
    file: str, name: str, tmp_path: Path
) -> None:
    inputs = keras.Input((3,), name=name)
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match=rf"rename the `keras.Input`.*Received: '{name}'"):
        WRITERS[file](model, tmp_path / file)


def test_a_path_of_the_wrong_kind_is_told_before_the_work(tmp_path: Path) -> None:
    model = forecaster()
    (tmp_path / "file").touch()
    for write in (ka.export.to_tflite, ka.export.to_onnx):
        with pytest.raises(IsADirectoryError, match=r"`path` must be that of a file. Received: "):
            write(model, tmp_path)
    functions = {"f": (lambda x: x, {"x": keras.InputSpec(shape=(1,))})}
    with pytest.raises(NotADirectoryError, match=r"`path` must be a folder, .* Received: file "):
        ka.export.to_onnx(model, tmp_path / "file", functions=functions)
    with pytest.raises(FileExistsError, match=r"`path` must be a new folder or a SavedModel"):
        ka.export.to_saved_model(model, tmp_path / "file")
    (tmp_path / "g.onnx").touch()
    with pytest.raises(FileExistsError, match=r"ONNX files of other functions.*\['g.onnx'\]"):
        ka.export.to_onnx(model, tmp_path, functions=functions)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "g.onnx"]


def test_a_saved_model_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    inputs, path = keras.Input((2,), name="x"), tmp_path / "model"
    model = keras.Model(inputs, {"y": keras.layers.Dense(3)(inputs)})
    ka.export.to_saved_model(model, path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    words = keras.layers.StringLookup(vocabulary=["up", "down"])
    function = (lambda text: {"id": words(text)}, {"text": keras.InputSpec("string", (None,))})
    with pytest.raises(ValueError, match="look up only tables in layers of the model") as caught:
        ka.export.to_saved_model(model, path, functions={"look_up": function})
    assert "\n" not in str(caught.value)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    randomize(model, seed=8)
    ka.export.to_saved_model(model, path)
    assert ka.export.check(path, model, {"x": uniform(4, 2, seed=1)}, atol=1e-5) == []
    assert list(tmp_path.iterdir()) == [path]


@variants("file", ["model.tflite", "model"])
def test_tables_of_strings_in_the_model(file: str, tmp_path: Path) -> None:
    text = keras.Input((), dtype="string", name="text")
    ids = keras.layers.StringLookup(vocabulary=["up", "down"])(text)
    model = keras.Model(text, {"ids": ids, "found": keras.layers.Embedding(4, 3)(ids)})
    path = WRITERS[file](model, tmp_path / file)
    given = {"text": np.array(["down", "sideways", "up"])}
    assert model(tf.constant(given["text"]))["ids"].numpy().tolist() == [2, 0, 1]
    assert ka.export.check(path, model, given) == []


@pytest.mark.parametrize("dtype", ["bool", "string"])
def test_inputs_of_any_length_that_are_no_numbers(dtype: str, tmp_path: Path) -> None:
    flags = keras.Input((None,), dtype=dtype, name="flags")
    if dtype == "string":
        words = keras.layers.StringLookup(vocabulary=["True", "False"])
        features = keras.layers.Embedding(3, 4)(words(flags))
    else:
        features = keras.layers.Dense(4)(ops.cast(flags, "float32")[..., None])
    model = keras.Model(flags, {"pooled": ka.AttentionPooling(4)(features)})
    path = ka.export.to_tflite(model, tmp_path / "model.tflite")
    given = [np.array([[True] * n + [False] * n]) for n in (1, 2, 7)]
    calls = [{"flags": array.astype(str if dtype == "string" else bool)} for array in given]
    assert ka.export.check(path, model, calls, atol=1e-5) == []


def in_16_bits() -> keras.Model:
    readings = keras.Input((None, 3), name="readings")
    gru = keras.layers.GRU(4, return_sequences=True, dtype="mixed_bfloat16")
    return keras.Model(readings, gru(readings))


@pytest.mark.parametrize("write", [ka.export.to_tflite, ka.export.to_onnx])
def test_runtimes_without_bfloat16(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot compute in bfloat16: build the model after"):
        write(in_16_bits(), tmp_path / "model")


@pytest.mark.thorough
def test_layers_in_16_bits(tmp_path: Path) -> None:
    model = in_16_bits()
    path = ka.export.to_saved_model(model, tmp_path / "model")
    assert ka.export.check(path, model, {"readings": uniform(2, 5, 3, seed=1)}, atol=0.02) == []


def test_a_state_that_a_file_keeps(tmp_path: Path) -> None:
    readings = keras.Input((None, 3), batch_size=1, name="readings")
    model = keras.Model(readings, keras.layers.GRU(4, stateful=True)(readings))
    twice = [{"readings": uniform(1, 5, 3, seed=1)}] * 2
    path = ka.export.to_tflite(model, tmp_path / "model.tflite")
    assert ka.export.check(path, model, twice, atol=1e-5) == []
    with pytest.raises(ValueError, match="keeps a state from call to call"):
        ka.export.to_onnx(model, tmp_path / "model.onnx")


def test_functions_of_another_model(tmp_path: Path) -> None:
    other = captioner()
    spec = {"features": keras.InputSpec(shape=(None, None, 7), dtype="float32")}
    with pytest.raises(ValueError, match="read none of its variables, but those of another"):
        ka.export.to_saved_model(
            forecaster(), tmp_path / "model", functions={"caption": (other.caption, spec)}
        )


def test_onnx_needs_different_names(tmp_path: Path) -> None:
    inputs = keras.Input((2,), name="same")
    model = keras.Model(inputs, {"same": keras.layers.Dense(2)(inputs)})
    with pytest.raises(ValueError, match=r"different names for inputs .*\['same'\] for both"):
        ka.export.to_onnx(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_argmax_has_a_replacement(file: str, tmp_path: Path) -> None:
    inputs = keras.Input((4,), name="x")
    dense = keras.layers.Dense(4)(inputs)
    with pytest.raises(RuntimeError, match=r"ops.top_k\(x, 1\)\[1\]"):
        WRITERS[file](keras.Model(inputs, ops.argmax(dense, -1)), tmp_path / file)
    model = keras.Model(inputs, {"best": ops.top_k(dense, 1)[1][:, 0]})
    path = WRITERS[file](model, tmp_path / file)
    assert ka.export.check(path, model, {"x": uniform(3, 4, seed=1)}) == []


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_an_operation_that_no_runtime_has_is_one_line(file: str, tmp_path: Path) -> None:
    class Own(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.math.bessel_i1(x)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    inputs = keras.Input((3,))
    with pytest.raises(RuntimeError, match=r"cannot be converted to .*BesselI1") as caught:
        WRITERS[file](keras.Model(inputs, Own()(inputs)), tmp_path / file)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_checked_is_told_why(tmp_path: Path) -> None:
    model = forecaster()
    with pytest.raises(FileNotFoundError, match="There is no file"):
        ka.export.check(tmp_path / "model.onnx", model, calls())
    (tmp_path / "model.pkl").touch()
    with pytest.raises(ValueError, match="`path` must be a SavedModel"):
        ka.export.check(tmp_path / "model.pkl", model, calls())
    (tmp_path / "model.onnx").write_text("a shopping list")
    with pytest.raises(ValueError, match="`inputs` must contain at least one call"):
        ka.export.check(tmp_path / "model.onnx", model, [])
    wide = calls()[0] | {"readings": np.zeros((2, 4, 5), "float32")}
    with pytest.raises(ValueError, match=r"`readings` of shape \(None, None, 3\).*call 1 with"):
        ka.export.check(tmp_path / "model.onnx", model, [*calls()[:1], wide])
    whole = {"readings": np.zeros((2, 4, 3)), "known": np.zeros((2, 4, 2), "float32")}
    with pytest.raises(ValueError, match=r"`readings` of dtype float32.*call 0 with float64"):
        ka.export.check(tmp_path / "model.onnx", model, whole)
    with pytest.raises(TypeError, match=r"`model` must be a Keras model"):
        ka.export.check(model, tmp_path / "model.onnx", calls())
    (found,) = ka.export.check(tmp_path / "model.onnx", model, calls())
    assert found.largest == np.inf
    assert found.problem is not None
    assert found.problem.startswith("model.onnx: the file is refused before it runs: it is damaged")


@variants("file", ["model.tflite", "model.onnx", "model"], core=2)
def test_a_function_that_a_file_does_not_have(file: str, tmp_path: Path) -> None:
    readings = keras.Input((None, 3), name="readings")
    model = keras.Model(readings, keras.layers.Dense(2)(readings))
    specs = {"readings": keras.InputSpec(shape=(None, None, 3))}
    functions = {name: (lambda readings: {"y": model(readings)}, specs) for name in ("f", "g")}
    path = WRITERS[file](
        model, tmp_path / file.replace(".onnx", ""), functions={"f": functions["f"]}
    )
    given = {"g": {"readings": uniform(2, 4, 3, seed=1)}}
    if file == "model.onnx":
        with pytest.raises(FileNotFoundError, match=r"There is no file .*g\.onnx"):
            ka.export.check(path, model, given, functions=functions)
        return
    (found,) = ka.export.check(path, model, given, functions=functions)
    assert found.problem == f"{path.name}: ValueError: the file has no function `g`, but ['f']"


def test_rows_that_do_not_match(tmp_path: Path) -> None:
    model = forecaster()
    path = ka.export.to_tflite(model, tmp_path / "model.tflite")
    for rows, others in ((2, 3), (0, 0)):
        call = {"readings": uniform(rows, 4, 3, seed=2), "known": uniform(others, 4, 2, seed=1)}
        (found,) = ka.export.check(path, model, call)
        assert found.problem is not None
        assert "must have the same rows, at least one. Received: {'readings': " in found.problem


def test_packages_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kept = forecaster(), importlib.util.find_spec
    for name in ("model.tflite", "model.onnx"):
        (tmp_path / name).touch()
    missing = {"ai_edge_litert", "onnxruntime"}
    monkeypatch.setattr(
        "keras_attention.export.extras.find_spec",
        lambda name: None if name in missing else kept(name),
    )
    for name, extra in (("model.tflite", "tflite"), ("model.onnx", "onnx")):
        expected = rf'pip install "keras-seq2seq-attention\[{extra}\]"\. Missing: '
        with pytest.raises(ModuleNotFoundError, match=expected):
            ka.export.check(tmp_path / name, model, calls())
        with pytest.raises(ModuleNotFoundError, match=expected):
            WRITERS[name](model, tmp_path / name, precision="int8")
