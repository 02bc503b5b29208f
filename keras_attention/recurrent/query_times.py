"""When a decoder queries: which cells run before that, which after, and what each of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from keras_attention.cells.protocol import output_size, state_sizes
from keras_attention.checks import check_one_of

Query = Literal["current", "previous", "between", "bottom"]
QUERIES: tuple[Query, ...] = ("current", "previous", "between", "bottom")
INSIDE: tuple[Query, ...] = ("between", "bottom")
"""Those where the first cell runs before attention and the others run after it."""


def check_query(query: Query, cells: Sequence[Any], attention: Any) -> None:
    """Raise `ValueError` where cells or attention cannot be what a query time needs."""
    check_one_of("query", query, QUERIES)
    if query not in INSIDE:
        return
    if attention is None:
        raise ValueError(
            f"Argument `query={query!r}` needs an attention between the cells. "
            "Received: attention=None"
        )
    if len(cells) < 2:
        raise ValueError(
            f"Argument `query={query!r}` needs a cell before attention and at least one after it. "
            f"Received: {len(cells)} cell"
        )
    sizes = [state_sizes(cell) for cell in cells[:2]]
    if query == "between" and sizes[0] != sizes[1]:
        raise ValueError(
            "Argument `query='between'` needs two cells at the bottom that share a state, so of "
            f"equal state sizes. Received: state sizes {sizes[0]} and {sizes[1]}"
        )


def kept_cells(query: Query, cells: Sequence[Any]) -> list[Any]:
    """The cells whose states are the decoder's: of two that share a state, the second."""
    return list(cells[1:] if query == "between" else cells)


def query_size(query: Query, cells: Sequence[Any]) -> int:
    """Features of a query."""
    if query == "previous":
        return state_sizes(cells[-1])[0]
    return output_size(cells[0] if query in INSIDE else cells[-1])


def input_sizes(
    query: Query, cells: Sequence[Any], inputs: int, context: int, fed_back: int
) -> list[int]:
    """How many features each cell reads.

    Args:
        query: When the decoder queries.
        cells: From the bottom to the top.
        inputs: Features of a step's inputs.
        context: Features of the context.
        fed_back: Features of what is fed back.
    """
    beside = context if query == "bottom" else 0
    sizes = [inputs + fed_back + (context if query == "previous" else 0)]
    sizes += [output_size(cell) + beside for cell in cells[:-1]]
    if query == "between":
        sizes[1] = context
    return sizes
