"""Operations that a file must not contain, and what converters say about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ARGMAX = "express ops.argmax(x) as ops.top_k(x, 1)[1], and ops.argmin likewise"
PYTHON = dict.fromkeys(
    ("PyFunc", "EagerPyFunc"), "it calls a Python function, which is not in the file"
)
RANDOM = dict.fromkeys(
    ("Random", "StatelessRandom", "StatelessTruncated", "StatelessMultinomial", "StatefulUniform"),
    "it draws random numbers, which the file would freeze; make them an input of a function",
)
STATE = {
    "Assign": "it keeps a state from call to call, which the file would freeze; make the state an "
    "input and an output of a function"
}
"""Operations that a file must not contain; see `check_operations`."""


def check_operations(functions: Iterable[Any], forbidden: Mapping[str, str]) -> None:
    """Raise `ValueError` if a function has an operation that a format must not contain.

    Args:
        functions: The concrete functions.
        forbidden: What each kind of operation is, by the beginning of its name in TensorFlow.
    """
    used = [name for one in functions for name in _operations(one.graph.as_graph_def())]
    for beginning, reason in forbidden.items():
        for operation in used:
            if operation.startswith(beginning):
                raise ValueError(f"The model cannot be exported: {reason}. Received: {operation}")


def _operations(graph: Any) -> Iterator[str]:
    """The operations of a graph and of the functions that it calls."""
    yield from (node.op for node in graph.node)
    for function in graph.library.function:
        yield from (node.op for node in function.node_def)


def one_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
