"""ONNX weights in fewer bits: 16, from which a runtime makes 32 again, or 8, to compute with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.onnx_passes import matrices_into_loops

_LARGE = 1024
"""From how many numbers on a tensor is worth it."""


def float16_onnx(model: ModelProto) -> ModelProto:
    """An ONNX model that stores its large weights in 16 bits; a runtime widens them as it loads.

    Args:
        model: Is changed in place.
    """
    graph, widened = model.graph, []
    for stored in graph.initializer:
        array = numpy_helper.to_array(stored)
        if array.dtype != np.float32 or array.size < _LARGE:
            continue
        name = stored.name
        stored.CopyFrom(numpy_helper.from_array(array.astype("float16"), f"{name}/float16"))
        cast = helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)
        widened.append(cast)
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def int8_onnx(model: ModelProto) -> ModelProto:
    """An ONNX model with the matrices of products in 8 bits, and of its LSTMs in 16.

    An LSTM's matrix has the row by which padding closes its gates. That is a hundred thousand times
    as large as the others are, which leaves these no bits of eight.

    Args:
        model: Is changed in place.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    matrices_into_loops(model.graph)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            file,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,  # 7 bits, whose sums of pairs no processor without VNNI saturates
            weight_type=QuantType.QInt8,
            extra_options={"EnableSubgraph": True},
        )
        return float16_onnx(onnx.load(file))
