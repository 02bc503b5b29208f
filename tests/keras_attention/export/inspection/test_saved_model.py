"""Which operations a SavedModel may have, and that nothing of another one runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.export.inspection import Refused
from keras_attention.export.inspection.saved_model import OF_RUNS, OUTSIDE, inspect_saved_model
from tests import hostile

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow exports models"
)
SPEC = tf.TensorSpec([None, 3], tf.float32, name="x")


def dense() -> keras.Model:
    inputs = keras.Input((3,), name="x")
    return keras.Model(inputs, {"ids": keras.layers.Dense(3)(inputs)})


@pytest.mark.parametrize("way", hostile.WAYS)
def test_a_file_that_writes_files_is_not_run(way: str, tmp_path: Path) -> None:
    written, x = tmp_path / "written", np.ones((2, 3), "float32")
    path = hostile.saved_model(way, tmp_path / "model", written, SPEC, "serving_default")
    (found,) = ka.export.check(path, dense(), {"x": x})
    assert found.largest == np.inf
    assert "model: the file is refused before it runs: it holds the operation WriteFile" in str(
        found.problem
    )
    assert "\n" not in str(found.problem)
    assert not written.exists()
    hostile.opened(path, "serving_default", x)
    assert written.exists()


def saved(function: Callable[[Any], Any], path: Path) -> Path:
    call = tf.function(function, input_signature=[SPEC])
    module = tf.Module()
    module.weight = tf.Variable([0.0])
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(module, str(path), call.get_concrete_function(), options)
    return path


def with_change(path: Path, change: Callable[[Any], None]) -> Path:
    """Change the parsed graph of a SavedModel."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = path / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    change(model)
    file.write_bytes(model.SerializeToString())
    return path


OTHERS: dict[str, Callable[[Any], Any]] = {
    "PrintV2": lambda x: tf.print("evil", output_stream="file:///tmp/x"),
    "EagerPyFunc": lambda x: tf.py_function(abs, [x], tf.float32),
    "ReadFile": lambda x: tf.io.read_file("/etc/passwd"),
    "SaveV2": lambda x: tf.raw_ops.SaveV2(
        prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], tensors=[x]
    ),
    "Dataset": lambda x: tf.data.TextLineDataset("/etc/passwd").reduce(
        "", lambda all_, line: all_ + line
    ),
    "InitializeTableFromTextFileV2": lambda x: tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64),
        filename="/etc/passwd",
        key_index=-2,
        value_index=-1,
    ),
}


@pytest.mark.parametrize("operation", OTHERS)
def test_operations_that_reach_out_of_the_program(operation: str, tmp_path: Path) -> None:
    def call(x: Any) -> Any:
        OTHERS[operation](x)
        return {"y": x + 1.0}

    path = saved(call, tmp_path / "model")
    with pytest.raises(Refused, match=rf"the operation \w*{operation} .*reach out of the program"):
        inspect_saved_model(path)


def test_operations_of_any_model_are_none_of_a_run(tmp_path: Path) -> None:
    path = saved(lambda x: {"y": tf.math.bessel_i0(tf.sin(x))}, tmp_path / "model")
    inspect_saved_model(path)
    with pytest.raises(Refused, match=r"operation (BesselI0|Sin) .*which no export of a run has"):
        inspect_saved_model(path, of_runs=True)
    inspect_saved_model(saved(lambda x: {"y": x + 1.0}, tmp_path / "sum"), of_runs=True)


def test_saving_is_for_the_saver_alone(tmp_path: Path) -> None:
    """What a SavedModel saves its variables with could be called by its own functions."""

    def call_the_saver(model: Any) -> None:
        graph = model.meta_graphs[0].graph_def
        (saver,) = (f for f in graph.library.function if "traced_save" in f.signature.name)
        (own, *_) = (f for f in graph.library.function if "traced_" not in f.signature.name)
        node = own.node_def.add(name="evil", op="StatefulPartitionedCall")
        node.attr["f"].func.name = saver.signature.name

    def name_the_saver(model: Any) -> None:
        (graph,) = model.meta_graphs
        (saver,) = (
            f for f in graph.graph_def.library.function if "traced_save" in f.signature.name
        )
        graph.object_graph_def.nodes.add().function.concrete_functions.append(saver.signature.name)

    def rename_the_saver(model: Any) -> None:
        (graph,) = model.meta_graphs
        graph.saver_def.save_tensor_name = "another"

    changes = (call_the_saver, name_the_saver, rename_the_saver)
    for name, change in zip(("called", "named", "renamed"), changes, strict=True):
        path = saved(lambda x: {"y": x + 1.0}, tmp_path / name)
        inspect_saved_model(path, of_runs=True)
        for of_runs in (False, True):
            with pytest.raises(Refused, match=r"(SaveV2|ShardedFilename|MergeV2Checkpoints) "):
                inspect_saved_model(with_change(path, change), of_runs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.meta_graphs.append(model.meta_graphs[0]), "one graph"),
        (lambda model: model.meta_graphs[0].ClearField("object_graph_def"), "one graph"),
        (lambda model: model.Clear(), "one graph"),
    ],
)
def test_a_graph_that_is_loaded_otherwise(change: Any, message: str, tmp_path: Path) -> None:
    path = with_change(saved(lambda x: {"y": x + 1.0}, tmp_path / "model"), change)
    with pytest.raises(Refused, match=message):
        inspect_saved_model(path)


def test_damaged_files(tmp_path: Path) -> None:
    path = saved(lambda x: {"y": x + 1.0}, tmp_path / "model")
    file = path / "saved_model.pb"
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"a shopping list\n" * 99, b"\xff" * 20):
        file.write_bytes(content)
        with pytest.raises(Refused, match="it is damaged, or of another format: ") as caught:
            inspect_saved_model(path)
        assert "\n" not in str(caught.value)
    file.write_bytes(whole)
    (path / "saved_model.pbtxt").write_text("")
    with pytest.raises(Refused, match=r"it holds 'saved_model.pbtxt', which no export writes"):
        inspect_saved_model(path)
    (path / "saved_model.pbtxt").unlink()
    file.unlink()
    with pytest.raises(Refused, match="cannot be read: No such file"):
        inspect_saved_model(path)


def test_whatever_takes_the_name_of_a_file_is_refused() -> None:
    """All operations that this TensorFlow has, by what they take."""
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session

    listed = OpList()
    buffer = pywrap_tf_session.TF_GetAllOpList()
    listed.ParseFromString(pywrap_tf_session.TF_GetBuffer(buffer))
    about_files = {
        one.name
        for one in listed.op
        for taken in (*one.input_arg, *one.attr)
        if "file" in taken.name or taken.name in ("prefix", "ckpt_path", "descriptor_source")
    } - {"ParallelConcat"}
    assert {"WriteFile", "SaveV2", "DecodeProtoV2", "Skipgram", "LMDBDataset"} <= about_files
    assert sorted(name for name in about_files if not OUTSIDE.search(name)) == []
    assert len(listed.op) > 1000
    assert not any(OUTSIDE.search(name) for name in OF_RUNS)
