"""Transformations of an ONNX graph that change its speed and size, never its results."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto, ValueInfoProto

_LOOP_INPUTS = 2  # trip count and condition precede the carried values


def loop_constants_to_outer_scope(graph: GraphProto) -> int:
    """Remove loop-invariant values from the values that `Loop` nodes carry.

    A converted `tf.while_loop` passes every weight from one iteration to the next, so a runtime
    copies the weights and cannot treat them as constants. The body can refer to values of the outer
    graph instead. Inner loops are transformed first.

    Args:
        graph: The graph; modified in place.

    Returns:
        The number of carried values that were removed.
    """
    count = 0
    for node in graph.node:
        count += sum(loop_constants_to_outer_scope(body) for body in subgraphs(node))
        if node.op_type == "Loop":
            count += _hoist(graph, node)
    return count


def _hoist(graph: GraphProto, loop: NodeProto) -> int:
    (body,) = subgraphs(loop)
    carried = len(loop.input) - _LOOP_INPUTS
    constant = [i for i in range(carried) if _is_handed_on(body, i)]
    inside, outside = {}, {}
    for i in constant:
        source = loop.input[_LOOP_INPUTS + i]
        inside[body.input[_LOOP_INPUTS + i].name] = source
        outside[loop.output[i]] = source
    for i in reversed(constant):
        del body.input[_LOOP_INPUTS + i], body.output[1 + i]
        del loop.input[_LOOP_INPUTS + i], loop.output[i]
    _rename(body, inside)
    _rename(graph, {name: source for name, source in outside.items() if name})
    return len(constant)


def _is_handed_on(body: GraphProto, i: int) -> bool:
    """Return whether an iteration leaves the i-th carried value unchanged."""
    copies = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    name = body.output[1 + i].name
    while name in copies:
        name = copies[name]
    return name == body.input[_LOOP_INPUTS + i].name


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Rename the values that nodes read, also in subgraphs.

    The outputs of the graph keep their names; an output that was renamed becomes a copy.
    """
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        for subgraph in subgraphs(node):
            _rename(subgraph, names)
    for output in graph.output:
        if output.name in names:
            copied = NodeProto(op_type="Identity", input=[names[output.name]])
            copied.output.append(output.name)
            graph.node.append(copied)


def rename_outputs(graph: GraphProto, names: dict[str, str]) -> None:
    """Rename outputs of the outermost graph, and wherever they are read.

    Args:
        graph: The graph; modified in place.
        names: The new name of each output.
    """
    for node in graph.node:
        for i, name in enumerate(node.output):
            node.output[i] = names.get(name, name)
    for output in graph.output:
        output.name = names[output.name]
    _rename(graph, names)


def name_dimensions(value: ValueInfoProto, names: dict[int, str]) -> None:
    """Give the variable dimensions of a graph's input or output readable names.

    Args:
        value: The input or output; modified in place.
        names: The name of each variable dimension.
    """
    for i, name in names.items():
        value.type.tensor_type.shape.dim[i].dim_param = name


def op_types(graph: GraphProto) -> list[str]:
    """Return the operators of a graph and its subgraphs, each once, sorted."""
    return sorted(set(_op_types(graph)))


def _op_types(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield node.op_type
        for subgraph in subgraphs(node):
            yield from _op_types(subgraph)


def subgraphs(node: NodeProto) -> list[GraphProto]:
    """Return the subgraphs of a node, such as the body of a loop."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]
