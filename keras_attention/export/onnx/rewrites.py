"""Write in one ONNX node what the converter writes in several, with the same results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from keras_attention.export.onnx.passes import subgraphs

_SELECTED = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64)
"""The types of which every runtime has `Where`."""


def rewrite(graph: GraphProto) -> None:
    """Write each selection as a `Where`, and let `Gather` count negative indices from the end.

    In a loop, a runtime spends more time on starting small operations than on computing them. Nodes
    that nothing reads any more stay; the canonical form is without them.

    Args:
        graph: The outermost graph; modified in place.
    """
    for scope in _scopes(graph):
        for node in scope.graph.node:
            if node.op_type == "Add":
                _select_by_where(node, scope)
        for node in scope.graph.node:
            if node.op_type == "Gather":
                _count_from_the_end(node, scope)


class _Scope(NamedTuple):
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

    def number(self, name: str) -> float | None:
        """The only element of a stored tensor."""
        array = numpy_helper.to_array(self.stored[name]) if name in self.stored else None
        return array.item() if array is not None and array.size == 1 else None


def _scopes(graph: GraphProto, outer: _Scope | None = None) -> Iterator[_Scope]:
    """The scopes of a graph and its subgraphs, outer ones first."""
    makers = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    if outer is not None:
        makers, stored = {**outer.makers, **makers}, {**outer.stored, **stored}
    scope = _Scope(graph, makers, stored)
    yield scope
    for node in graph.node:
        for body in subgraphs(node):
            yield from _scopes(body, scope)


def _select_by_where(node: NodeProto, scope: _Scope) -> None:
    """Replace `c x + (not c) y` by `Where(c, x, y)`; tf2onnx writes most selections as six nodes.

    It also gives an infinite or undefined x no part in what is selected from y.
    """
    first, second = (dict(_factors(name, scope)) for name in node.input)
    for chosen, others in ((first, second), (second, first)):
        for negated, y in others.items():
            inverse = scope.made_by("Not", negated)
            if inverse is not None and inverse.input[0] in chosen:
                condition = inverse.input[0]
                node.op_type = "Where"
                node.input[:] = [condition, chosen[condition], y]
                return


def _factors(name: str, scope: _Scope) -> Iterator[tuple[str, str]]:
    """Yield each factor of a product that is cast, before the cast, with the other factor."""
    product = scope.made_by("Mul", name)
    if product is None:
        return
    for factor, other in (product.input, product.input[::-1]):
        cast = scope.made_by("Cast", factor)
        if cast is not None and cast.attribute[0].i in _SELECTED:
            yield cast.input[0], other


def _count_from_the_end(node: NodeProto, scope: _Scope) -> None:
    """Replace `Gather(x, Where(i < 0, i + size, i))` by `Gather(x, i)`.

    Keras counts negative indices from the end, because TensorFlow refuses them; ONNX does not.
    """
    where = scope.made_by("Where", node.input[1])
    if where is None:
        return
    condition, counted, index = where.input
    less, plus = scope.made_by("Less", condition), scope.made_by("Add", counted)
    if less is None or plus is None or index not in plus.input:
        return
    cast = scope.made_by("Cast", less.input[0])
    compared = less.input[0] if cast is None else cast.input[0]
    is_negative = compared == index and scope.number(less.input[1]) == 0
    size = plus.input[1] if plus.input[0] == index else plus.input[0]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    if is_negative and _is_size(size, node.input[0], axis, scope):
        node.input[1] = index


def _is_size(name: str, x: str, axis: int, scope: _Scope) -> bool:
    """Whether a value is the size of x along an axis, stored or read from its shape."""
    if x in scope.stored:
        return scope.number(name) == scope.stored[x].dims[axis]
    for op_type in ("Squeeze", "Slice", "Cast", "Shape"):
        node = scope.made_by(op_type, name)
        if node is None:
            return False
        if op_type == "Slice" and list(map(scope.number, node.input[1:3])) != [axis, axis + 1]:
            return False
        name = node.input[0]
    return name == x
