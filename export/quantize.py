"""Weights in fewer bits: 16, from which a runtime makes 32 again, or 8, to compute with."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.layout import INT8
from keras_attention.seq2seq import Seq2Seq

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_LARGE = 1024
"""From how many numbers on a tensor is worth it."""


def with_int8_embeddings(model: Seq2Seq) -> Seq2Seq:
    """The same model, its embeddings in 8 bits, with a scale for each token.

    No runtime's quantizer knows how to look up a row of a table in 8 bits; Keras's own embedding
    does. Where the output shares the embeddings' matrix, it gets its own, which is a product's.

    Args:
        model: Stays as it is.
    """
    twin = Seq2Seq(replace(model.config, tie_embeddings=None))
    for name in ("source_embedding", "encoder", "bridge", "decoder"):
        getattr(twin, name).set_weights(getattr(model, name).get_weights())
    table = model.target_embedding.get_weights()[0]
    twin.target_embedding.set_weights([table])
    if model.logits is None:
        twin.logits.set_weights([table.T, np.zeros(len(table), "float32")])
    else:
        twin.logits.set_weights(model.logits.get_weights())
    for embedding in (twin.source_embedding, twin.target_embedding):
        embedding.quantize(INT8)
    return twin


def int8_tflite(content: bytes) -> bytes:
    """A TFLite file with the matrices of products in 8 bits.

    Each row of a matrix has a scale; what is multiplied by it is rounded to 8 bits as it comes.
    The signatures still share their weights, which TensorFlow's converter does not manage.

    Args:
        content: Of the file in float32.
    """
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("float32.tflite", "int8.tflite")]
        files[0].write_bytes(content)
        told = io.StringIO()  # sizes and bars of progress
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            found = quantizer.Quantizer(str(files[0]), recipe.dynamic_wi8_afp32()).quantize()
            found.export_model(str(files[1]))
        return files[1].read_bytes()


def float16_onnx(model: ModelProto) -> ModelProto:
    """An ONNX model that stores its large weights in 16 bits; a runtime widens them as it loads.

    Args:
        model: Is changed in place.
    """
    from onnx import TensorProto, helper, numpy_helper

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
    import onnx
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


def matrices_into_loops(graph: GraphProto) -> None:
    """Move matrices into the loops that multiply by them: the quantizer looks nowhere else.

    Args:
        graph: The outermost one; is changed in place.
    """
    outer = {tensor.name: tensor for tensor in graph.initializer}
    moved = set()
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                moved |= _move_in(attribute.g, outer)
    kept = [tensor for name, tensor in outer.items() if name not in moved]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _move_in(graph: GraphProto, outer: dict[str, object]) -> set[str]:
    """The names of what was moved; each matrix is read in one place only."""
    moved = set()
    for node in graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in outer:
            graph.initializer.append(outer[node.input[1]])
            moved.add(node.input[1])
        for attribute in node.attribute:
            if attribute.HasField("g"):
                moved |= _move_in(attribute.g, outer)
    return moved
