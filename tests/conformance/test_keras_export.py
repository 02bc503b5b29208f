"""A plain Keras model of each layer, exported by Keras itself, gives equal values in each runtime.

TensorFlow only. LiteRT needs two things that are easy to forget: a static batch size, and the set
of builtin operations, because Keras by default also allows TensorFlow operations, which phones do
not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.arrays import randomize
from tests.conformance.registry import REGISTRY, Entry
from tests.conformance.test_conformance import outputs
from tests.variants import variants

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="Keras exports to all of these formats from TensorFlow only",
    ),
    # Keras 3.15 checks whether NumPy still has `np.object` before it calls tf2onnx
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]
CORE = ("Monotonic", "Seq2Seq-bahdanau")
"""Keras's exporters see operations, and these have all kinds of them."""
each_entry = variants("name", REGISTRY, core=CORE)
Arrays = dict[str, np.ndarray]


def random_model(entry: Entry) -> keras.Model:
    model = entry.model()
    randomize(model, seed=17)
    outputs(model, entry.arrays(2, 3, 2))  # Keras exports only called models to ONNX
    return model


def assert_equal(results: list[Any], expected: list[np.ndarray], atol: float = 1e-5) -> None:
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, atol=atol)


@each_entry
def test_saved_model(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    entry = REGISTRY[name]
    model = random_model(entry)
    model.export(tmp_path / "saved_model", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved_model")
    for sizes in ((3, 5, 4), (2, 7, 1)):
        arrays = entry.arrays(*sizes)
        results = loaded.serve({key: tf.constant(array) for key, array in arrays.items()})
        assert_equal(tf.nest.flatten(results), outputs(model, arrays))


@each_entry
def test_onnx(name: str, tmp_path: Path) -> None:
    import onnxruntime as ort

    entry = REGISTRY[name]
    model = random_model(entry)
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for sizes in ((3, 5, 4), (2, 7, 1)):
        arrays = entry.arrays(*sizes)
        assert_equal(session.run(None, arrays), outputs(model, arrays))


@variants("name", ["LSTMEncoder", "BiLSTMEncoder"])
def test_a_masked_encoder_stays_a_fused_lstm_in_onnx(name: str, tmp_path: Path) -> None:
    import onnx

    path = str(tmp_path / "model.onnx")
    random_model(REGISTRY[name]).export(path, format="onnx", verbose=False)
    operations = [node.op_type for node in onnx.load(path).graph.node]
    assert operations.count("LSTM") == (2 if name == "LSTMEncoder" else 4)
    assert "Loop" not in operations


@each_entry
def test_litert(name: str, tmp_path: Path) -> None:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    entry = REGISTRY[name]
    model = random_model(entry)
    arrays = entry.arrays(1, 5, 4)
    path = str(tmp_path / "model.tflite")
    signature = {
        key: tf.TensorSpec(array.shape, array.dtype, name=key) for key, array in arrays.items()
    }
    model.export(
        path,
        format="litert",
        verbose=False,
        input_signature=[signature],
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    run = Interpreter(model_path=path, num_threads=1).get_signature_runner()
    results = run(**arrays)
    names = sorted(results, key=lambda key: int(key.rpartition("_")[2]))
    assert_equal([results[key] for key in names], outputs(model, arrays))
