"""tf2onnx's optimizers, which `convert_function` runs without what tf2onnx does around them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import tensorflow as tf
import tf2onnx

from keras_attention.export.formats import OPSET
from keras_attention.export.onnx.convert import convert_function

SPECS = [tf.TensorSpec((None, 3, 5), tf.float32, name="x")]


@tf.function(autograph=False)
def turned_twice(x: Any) -> dict[str, Any]:
    """With transpositions that an optimizer removes, and constants that another one folds."""
    turned = tf.transpose(tf.transpose(x, (0, 2, 1)) * 2.0 + 1.0, (0, 2, 1))
    return {"y": tf.identity(tf.tanh(turned) + tf.tanh(turned), "y")}


def operations(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_they_leave_the_operations_that_tf2onnx_leaves() -> None:
    by_tf2onnx, _ = tf2onnx.convert.from_function(turned_twice, SPECS, opset=OPSET)
    found = operations(convert_function(turned_twice, SPECS, "turned"))
    assert found == operations(by_tf2onnx)
    assert found["Transpose"] == found["Identity"] == 0


def test_one_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default tf2onnx goes on with the graph of before."""
    from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TransposeOptimizer, "_optimize", broken)
    with pytest.raises(ZeroDivisionError):
        convert_function(turned_twice, SPECS, "turned")
    model, _ = tf2onnx.convert.from_function(turned_twice, SPECS, opset=OPSET)
    assert operations(model)["Transpose"] == 2
