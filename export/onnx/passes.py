"""Rewrites of an ONNX graph that change its speed and size, never its results."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

_LOOP_INPUTS = 2  # trip count and condition stand before the carried values


def loop_constants_to_outer_scope(graph: GraphProto) -> int:
    """Take what no iteration changes out of the values that `Loop` nodes carry.

    A converted `tf.while_loop` hands every weight from one iteration to the next, which makes a
    runtime copy them, and hides from it that they are constants. A body may as well refer to the
    values of the graph around it. Loops inside loops are done first.

    Args:
        graph: Is changed in place.

    Returns:
        How many carried values are gone.
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
    """Whether the i-th carried value comes out of an iteration as it went in."""
    copies = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    name = body.output[1 + i].name
    while name in copies:
        name = copies[name]
    return name == body.input[_LOOP_INPUTS + i].name


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Read other values under the old names, also in subgraphs.

    A graph's outputs keep their names: one that was renamed becomes a copy.
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
    """Give outputs of the outermost graph other names, also where they are read.

    Args:
        graph: Is changed in place.
        names: The new name of each.
    """
    for node in graph.node:
        for i, name in enumerate(node.output):
            node.output[i] = names.get(name, name)
    for output in graph.output:
        output.name = names[output.name]
    _rename(graph, names)


def matrices_into_loops(graph: GraphProto) -> None:
    """Move matrices into the loops that multiply by them: the quantizer looks nowhere else.

    Args:
        graph: The outermost one; is changed in place.
    """
    outer = {tensor.name: tensor for tensor in graph.initializer}
    moved = set()
    for node in graph.node:
        for body in subgraphs(node):
            moved |= _move_in(body, outer)
    kept = [tensor for name, tensor in outer.items() if name not in moved]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _move_in(graph: GraphProto, outer: dict[str, TensorProto]) -> set[str]:
    """The names of what was moved; each matrix is read in one place only."""
    moved = set()
    for node in graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in outer:
            graph.initializer.append(outer[node.input[1]])
            moved.add(node.input[1])
        for body in subgraphs(node):
            moved |= _move_in(body, outer)
    return moved


def name_dimensions(value: ValueInfoProto, names: dict[int, str]) -> None:
    """Give the open dimensions of a graph's input or output names that people read.

    Args:
        value: Is changed in place.
        names: Name of each dimension that is open.
    """
    for i, name in names.items():
        value.type.tensor_type.shape.dim[i].dim_param = name


def op_types(graph: GraphProto) -> list[str]:
    """The operators of a graph and of the graphs inside it, each once, in alphabetical order."""
    return sorted(set(_op_types(graph)))


def _op_types(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield node.op_type
        for subgraph in subgraphs(node):
            yield from _op_types(subgraph)


def subgraphs(node: NodeProto) -> list[GraphProto]:
    """The graphs inside a node, such as the body of a loop."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]
