"""Write in one ONNX node what the converter writes in several, with the same results."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto, TensorProto

from keras_attention.export.onnx.scopes import Scope, scopes

_SELECTED = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64)
"""The types of which every runtime has `Where`."""


def rewrite(graph: GraphProto) -> None:
    """Write each selection as a `Where`, and let `Gather` count negative indices from the end.

    In a loop, a runtime spends more time on starting small operations than on computing them. Nodes
    that nothing reads any more stay; the canonical form is without them.

    Args:
        graph: The outermost graph; modified in place.
    """
    for scope in scopes(graph):
        for node in scope.graph.node:
            if node.op_type == "Add":
                _select_by_where(node, scope)
        for node in scope.graph.node:
            if node.op_type == "Gather":
                _count_from_the_end(node, scope)


def _select_by_where(node: NodeProto, scope: Scope) -> None:
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


def _factors(name: str, scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield each factor of a product that is cast, before the cast, with the other factor."""
    product = scope.made_by("Mul", name)
    if product is None:
        return
    for factor, other in (product.input, product.input[::-1]):
        cast = scope.made_by("Cast", factor)
        if cast is not None and cast.attribute[0].i in _SELECTED:
            yield cast.input[0], other


def _count_from_the_end(node: NodeProto, scope: Scope) -> None:
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


def _is_size(name: str, x: str, axis: int, scope: Scope) -> bool:
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
