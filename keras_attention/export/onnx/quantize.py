"""Quantize ONNX weights: to 16 bits for storage only, or to 8 bits for computation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from keras_attention.export.formats import FLOAT16, FLOAT32, INT8
from keras_attention.export.onnx.canonical import to_canonical_form
from keras_attention.export.onnx.matrices import matrices_into_loops
from keras_attention.export.onnx.scopes import Scope, scopes

_LARGE = 16
"""The minimum number of rows of a matrix to quantize."""

_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Without this, the quantizer logs the advice to prepare the model for it."""


def in_precision(model: ModelProto, precision: str) -> ModelProto:
    """Store the weights in float32, as they are, in float16 or in int8, and check the result.

    Args:
        model: The checked model in float32; modified in place.
        precision: The precision of the weights.
    """
    if precision == FLOAT32:
        return model
    model = {FLOAT16: float16_onnx, INT8: int8_onnx}[precision](model)
    onnx.checker.check_model(model)
    return model


def float16_onnx(model: ModelProto) -> ModelProto:
    """Store large weights in 16 bits; runtimes convert them to float32 when loading the model.

    Args:
        model: The model; modified in place.
    """
    return _stored_as(model, _in_16_bits)


def _stored_as(
    model: ModelProto, store: Callable[[str, np.ndarray], tuple[list[TensorProto], list[NodeProto]]]
) -> ModelProto:
    """Replace large float32 tensors by stored tensors and nodes that restore them.

    A runtime evaluates these nodes once, when it loads the model.
    """
    for scope in reversed(list(scopes(model.graph))):  # inner ones first, as outer ones copy them
        _store(scope.graph, store)
    return model


def _store(
    graph: GraphProto, store: Callable[[str, np.ndarray], tuple[list[TensorProto], list[NodeProto]]]
) -> None:
    kept, nodes = [], []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        is_matrix = array.ndim > 1 and array.size >= _LARGE * array.shape[-1]
        if array.dtype == np.float32 and is_matrix:
            stored, widening = store(tensor.name, array)
            kept += stored
            nodes += widening
        else:
            kept.append(tensor)
    nodes += graph.node
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _in_16_bits(name: str, array: np.ndarray) -> tuple[list[TensorProto], list[NodeProto]]:
    half = f"{name}/float16"
    stored = numpy_helper.from_array(array.astype("float16"), half)
    return [stored], [helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT)]


def _in_8_bits(name: str, array: np.ndarray) -> tuple[list[TensorProto], list[NodeProto]]:
    """Quantize with one scale per index of the last axis, which for an LSTM are its inputs.

    One of the inputs marks the padding; its weights, which close the gates, are a hundred thousand
    times as large as the others.
    """
    others = tuple(range(array.ndim - 1))
    scale = np.maximum(np.abs(array).max(axis=others, keepdims=True), np.finfo("float32").tiny)
    scale = (scale / 127).astype("float32")
    names = [f"{name}/{part}" for part in ("int8", "scale", "widened")]
    stored = [np.rint(array / scale).astype("int8"), scale]
    nodes = [
        helper.make_node("Cast", names[:1], names[2:], to=TensorProto.FLOAT),
        helper.make_node("Mul", [names[2], names[1]], [name]),
    ]
    return [numpy_helper.from_array(x, n) for x, n in zip(stored, names, strict=False)], nodes


def int8_onnx(model: ModelProto) -> ModelProto:
    """Quantize weights to 8 bits; matrix products use 8 bits, except those of an LSTM.

    Args:
        model: The model; modified in place.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    matrices_into_loops(model.graph)
    to_canonical_form(model.graph)  # without the matrices that only loops read
    helper.set_model_props(model, _PREPARED)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            file,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,  # 7 bits, so that sums of pairs cannot saturate without VNNI
            weight_type=QuantType.QInt8,
            extra_options={"EnableSubgraph": True},
        )
        quantized = onnx.load(file)
    del quantized.metadata_props[:]
    scale_by_matrix_first(quantized.graph)
    # The quantizer sorts nodes without regard to the outer values that the body of the loop reads.
    to_canonical_form(quantized.graph)
    return _stored_as(quantized, _in_8_bits)


def scale_by_matrix_first(graph: GraphProto) -> None:
    """Multiply 8-bit products by the median of the columns' scales, then by their ratios to it.

    ONNX Runtime multiplies by one scale while it computes a product. It would combine the scales of
    columns with that of the other factor first, which takes ten times as long as a product by a
    vector. (A scale of 1, which the quantizer gives to a column of zeros, it would remove, and not
    recognize the rest.) The zero points of columns are left out: the quantizer chose zeros.

    Args:
        graph: The quantized graph, whose nodes need not be in order; modified in place.
    """
    for scope in scopes(graph):
        for node in list(scope.graph.node):
            if node.op_type == "Mul":
                _scale_by_matrix_first(node, scope)


def _scale_by_matrix_first(node: NodeProto, scope: Scope) -> None:
    cast, scales = scope.made_by("Cast", node.input[0]), scope.made_by("Mul", node.input[1])
    product = None if cast is None else scope.made_by("MatMulInteger", cast.input[0])
    by_column = None if scales is None else scope.array(scales.input[1])
    if product is None or scales is None or by_column is None or by_column.size == 1:
        return
    del product.input[3:]
    names = [f"{node.output[0]}/{part}" for part in ("median", "ratios", "scale", "scaled")]
    median, ratios, scale, scaled = names
    middle = np.median(by_column).astype("float32")
    stored = {median: middle, ratios: by_column / middle}
    scope.graph.initializer.extend(numpy_helper.from_array(x, name) for name, x in stored.items())
    scope.graph.node.add().CopyFrom(helper.make_node("Mul", [scales.input[0], median], [scale]))
    scope.graph.node.add().CopyFrom(helper.make_node("Mul", [node.input[0], scale], [scaled]))
    node.input[:] = [scaled, ratios]
