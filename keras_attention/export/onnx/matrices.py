"""Copy matrices to where ONNX Runtime, or its quantizer, looks for them: in or around loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import GraphProto, NodeProto, TensorProto

from keras_attention.export.onnx.passes import subgraphs


def matrices_around_inner_loops(graph: GraphProto) -> None:
    """Copy matrices that a loop in a loop multiplies by into the outer loop.

    ONNX Runtime packs a matrix once, when it loads the file, if it is stored in the graph that
    multiplies by it or in the one around that; any other one is packed again in every step. In the
    outer loop, it takes up less memory than in the inner one.

    Args:
        graph: The outermost graph, whose subgraphs have different names; modified in place.
    """
    outer = _stored(graph)
    for node in graph.node:
        for body in subgraphs(node):
            inner = (loop for one in body.node for loop in subgraphs(one))
            _copy_into(body, (product for loop in inner for product in loop.node), outer)


def matrices_into_loops(graph: GraphProto) -> None:
    """Copy matrices into the loops that multiply by them, where the quantizer expects them.

    A matrix may be read in several places: Keras runs the first step of a masked recurrent layer
    once more before its loop. Each loop gets one copy; those outside stay.

    Args:
        graph: The outermost graph, whose subgraphs have different names; modified in place.
    """
    _into_loops(graph, {})


def _into_loops(graph: GraphProto, outer: Mapping[str, TensorProto]) -> None:
    _copy_into(graph, graph.node, outer)
    for node in graph.node:
        for body in subgraphs(node):
            _into_loops(body, {**outer, **_stored(graph)})


def _stored(graph: GraphProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in graph.initializer}


def _copy_into(
    graph: GraphProto, nodes: Iterable[NodeProto], outer: Mapping[str, TensorProto]
) -> None:
    """Copy the outer matrices by which these nodes multiply into a graph, once each."""
    copied: dict[str, str] = {}
    for node in nodes:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in outer:
            name = node.input[1]
            if name not in copied:
                copied[name] = f"{name}/{graph.name}"
                graph.initializer.add().CopyFrom(outer[name])
                graph.initializer[-1].name = copied[name]
            node.input[1] = copied[name]
