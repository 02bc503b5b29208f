"""What the nodes of an ONNX graph can read: values of the same graph and of those around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from keras_attention.export.onnx.passes import subgraphs


class Scope(NamedTuple):
    """A graph, and what its nodes can read.

    Attributes:
        graph: The graph.
        makers: The node that makes each value, here or in an outer graph.
        stored: The stored tensors, here and in outer graphs.
    """

    graph: GraphProto
    makers: Mapping[str, NodeProto]
    stored: Mapping[str, TensorProto]

    def made_by(self, op_type: str, name: str) -> NodeProto | None:
        """The node that makes a value, if it is of this type."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type == op_type else None

    def array(self, name: str) -> np.ndarray | None:
        """The elements of a stored tensor."""
        return numpy_helper.to_array(self.stored[name]) if name in self.stored else None

    def number(self, name: str) -> float | None:
        """The only element of a stored tensor."""
        array = self.array(name)
        return array.item() if array is not None and array.size == 1 else None


def scopes(graph: GraphProto, outer: Scope | None = None) -> Iterator[Scope]:
    """The scopes of a graph and its subgraphs, outer ones first."""
    makers = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    if outer is not None:
        makers, stored = {**outer.makers, **makers}, {**outer.stored, **stored}
    scope = Scope(graph, makers, stored)
    yield scope
    for node in graph.node:
        for body in subgraphs(node):
            yield from scopes(body, scope)
