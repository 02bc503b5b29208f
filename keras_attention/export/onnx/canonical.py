"""Bring ONNX graphs into canonical form; the converter's output depends on hashes and addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from onnx import GraphProto, NodeProto

from keras_attention.export.onnx.passes import subgraphs


def to_canonical_form(graph: GraphProto) -> None:
    """Sort the nodes by the order in which the outputs need them, and rename them by that order.

    Args:
        graph: The outermost graph; modified in place. Its inputs and outputs keep their names.
    """
    _order(graph)
    kept = {value.name: value.name for value in (*graph.input, *graph.output)}
    _name(graph, kept, Counter())


def _order(graph: GraphProto) -> list[str]:
    """Sort a graph and its subgraphs; return the outer values that it reads, in order."""
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
    """Rename all values of a graph.

    Args:
        graph: The graph; modified in place.
        names: The new names of outer values; those of the graph's own values are added.
        count: The number of values of each kind so far.
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
            node.ClearField("domain")  # it may also be present and empty
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
    """Copy messages, so that they outlive the field that contains them."""
    return [type(message).FromString(message.SerializeToString()) for message in messages]
