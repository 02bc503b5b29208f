"""One form for all conversions of a model: the converter's depends on hashes and addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from onnx import GraphProto, NodeProto

from export.onnx.passes import subgraphs


def to_canonical_form(graph: GraphProto) -> None:
    """Order nodes by how the outputs come about, and name them and their values by that order.

    Args:
        graph: The outermost one; is changed in place. Its inputs and outputs keep their names.
    """
    _order(graph)
    kept = {value.name: value.name for value in (*graph.input, *graph.output)}
    _name(graph, kept, Counter())


def _order(graph: GraphProto) -> list[str]:
    """Put a graph and those inside it in order; what it reads of those around it, likewise."""
    made = list(graph.node)
    reads = [_reads(node) for node in made]
    maker = {name: i for i, node in enumerate(made) for name in node.output if name}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    seen: dict[str, None] = {}
    waiting = [value.name for value in reversed(graph.output)]
    while waiting:
        name = waiting[-1]
        missing = [x for x in reads[maker[name]] if x not in seen] if name in maker else []
        if missing and name not in seen:
            waiting += reversed(missing)
            continue
        waiting.pop()
        if name in maker and name not in seen:
            nodes.append(made[maker[name]])
            seen.update(dict.fromkeys(nodes[-1].output))
        seen[name] = None
    inside = {value.name for value in graph.input} | set(maker) | set(stored)
    used = [stored[name] for name in seen if name in stored]
    nodes, used = _copies(nodes), _copies(used)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(used)
    return [name for name in seen if name and name not in inside]


def _reads(node: NodeProto) -> list[str]:
    inner = [name for graph in subgraphs(node) for name in _order(graph)]
    return [name for name in (*node.input, *inner) if name]


def _name(graph: GraphProto, names: dict[str, str], count: Counter[str]) -> None:
    """Give all values of a graph new names.

    Args:
        graph: Is changed in place.
        names: New names of what is known around it; those of its own values are added.
        count: How many there are of each kind so far.
    """

    def new(kind: str) -> str:
        count[kind] += 1
        return f"{kind}_{count[kind]}"

    def renamed(value: str, kind: str) -> str:
        if value and value not in names:
            names[value] = new(kind)
        return names.get(value, value)

    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name, "weight")
    for value in graph.input:
        value.name = renamed(value.name, "input")
    for node in graph.node:
        node.name = new(node.op_type)
        if not node.domain:
            node.ClearField("domain")  # which may also be there, and empty
        for i, name in enumerate(node.input):
            node.input[i] = names[name] if name else ""
        for body in subgraphs(node):
            body.name = new("body")
            _name(body, dict(names), count)
        for i, name in enumerate(node.output):
            node.output[i] = renamed(name, f"{node.op_type}_value")
    for value in graph.output:
        value.name = names[value.name]


def _copies(messages: Iterable[Any]) -> list[Any]:
    """Copies that outlive the field that held them."""
    return [type(message).FromString(message.SerializeToString()) for message in messages]
