"""When a decoder queries: before its cells run, after it, or between them; a class for each.

The equations stand in `run`. Its symbols are those of `AttentionDecoder`: x_t are the inputs, s_t
the cells' states, y_t^n the output of cell n, c_t is the context and a_{t-1} what is fed back, if
anything is. They hold for one step, and where `runs_at_once` for all steps of a target alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from keras_attention.alignments.base import State
from keras_attention.cells.protocol import output_size, state_sizes
from keras_attention.cells.stack import CellStep, States, run_stack
from keras_attention.types import Tensor

Query = Literal["current", "previous", "between", "bottom"]


class Attended(NamedTuple):
    """What an attention layer gives for a query: context, weights and its next state."""

    context: Tensor
    weights: Tensor
    state: State


Inputs: TypeAlias = list[Tensor]
Cells: TypeAlias = Sequence[CellStep]
Attend: TypeAlias = Callable[[Tensor], Attended]
Outcome: TypeAlias = tuple[Tensor, Attended, States]


class QueryTime:
    """When a decoder queries; a subclass for each time.

    Attributes:
        name: What a user types.
        feeds_back: Whether input feeding is the usual choice: where no cell reads c_t anyway.
        runs_at_once: Whether no query depends on a context, so that all steps can be run at once
            where nothing is fed back.
        fewest_cells: How many cells it takes. Where that is two, attention stands between cells.
        transitions: How many of the cells are the lowest layer.
    """

    name: Query
    feeds_back = False
    runs_at_once = False
    fewest_cells = 1
    transitions = 1

    def check(
        self, cells: Sequence[Any], attention: Any, input_feeding: bool | None, attention_layer: Any
    ) -> None:
        """Raise `ValueError` where a decoder's arguments are not what this time needs."""
        if attention is None and self.fewest_cells > 1:
            raise ValueError(
                f"Argument `query={self.name!r}` needs an attention between the cells. "
                "Received: attention=None"
            )
        if len(cells) < self.fewest_cells:
            raise ValueError(
                f"Argument `query={self.name!r}` needs a cell before attention and at least one "
                f"after it. Received: {len(cells)} cell"
            )
        if attention is None and input_feeding:
            raise ValueError(
                "Argument `input_feeding` needs an attention: without one nothing is fed back. "
                f"Received: input_feeding={input_feeding}, attention=None"
            )

    def kept_cells(self, cells: Sequence[Any]) -> list[Any]:
        """The cells whose states are the decoder's."""
        return list(cells)

    def query_size(self, cells: Sequence[Any]) -> int:
        """Features of a query."""
        raise NotImplementedError

    def input_sizes(
        self, cells: Sequence[Any], inputs: int, context: int, fed_back: int
    ) -> list[int]:
        """How many features each cell reads, where inputs, context and what is fed back have these.

        Here as if no cell read the context.
        """
        return [inputs + fed_back, *(output_size(cell) for cell in cells[:-1])]

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """Run the cells and attend.

        Args:
            inputs: x_t, and a_{t-1} where something is fed back; (B, .) each, or those of all
                steps, (B, T, .).
            states: Those of the kept cells.
            cells: From the bottom to the top, for one step or for all.
            attend: The attention, with one query or with all.

        Returns:
            The top cell's output, what attention gave, the next states of the kept cells.
        """
        raise NotImplementedError


class Current(QueryTime):
    """After the cells, with the new output of the top one (Luong)."""

    name = "current"
    feeds_back = True
    runs_at_once = True

    def query_size(self, cells: Sequence[Any]) -> int:
        return output_size(cells[-1])

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """`s_t = cell([x_t; a_{t-1}], s_{t-1})`, `c_t = attend(s_t)`."""
        output, after = run_stack(cells, inputs, states)
        return output, attend(output), after


class Previous(QueryTime):
    """Before the cells, with the first state of the top one (Bahdanau)."""

    name = "previous"

    def check(
        self, cells: Sequence[Any], attention: Any, input_feeding: bool | None, attention_layer: Any
    ) -> None:
        super().check(cells, attention, input_feeding, attention_layer)
        if input_feeding and attention_layer is None:
            raise ValueError(
                "With query='previous' the context enters the cell already; input feeding needs an "
                "`attention_layer` whose output is fed back. "
                f"Received: input_feeding={input_feeding}, attention_layer=None"
            )

    def query_size(self, cells: Sequence[Any]) -> int:
        return state_sizes(cells[-1])[0]

    def input_sizes(
        self, cells: Sequence[Any], inputs: int, context: int, fed_back: int
    ) -> list[int]:
        return super().input_sizes(cells, inputs + context, context, fed_back)

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """`c_t = attend(s_{t-1})`, `s_t = cell([x_t; c_t; a_{t-1}], s_{t-1})`."""
        x, *fed_back = inputs
        attended = attend(states[-1][0])
        output, after = run_stack(cells, [x, attended.context, *fed_back], states)
        return output, attended, after


class Between(QueryTime):
    """Between two cells at the bottom that share one state (conditional GRU; Sennrich)."""

    name = "between"
    fewest_cells = 2
    transitions = 2

    def check(
        self, cells: Sequence[Any], attention: Any, input_feeding: bool | None, attention_layer: Any
    ) -> None:
        super().check(cells, attention, input_feeding, attention_layer)
        sizes = [state_sizes(cell) for cell in cells[:2]]
        if sizes[0] != sizes[1]:
            raise ValueError(
                "Argument `query='between'` needs two cells at the bottom that share a state, so "
                f"of equal state sizes. Received: state sizes {sizes[0]} and {sizes[1]}"
            )

    def kept_cells(self, cells: Sequence[Any]) -> list[Any]:
        return list(cells[1:])

    def query_size(self, cells: Sequence[Any]) -> int:
        return output_size(cells[0])

    def input_sizes(
        self, cells: Sequence[Any], inputs: int, context: int, fed_back: int
    ) -> list[int]:
        bottom, _, *above = super().input_sizes(cells, inputs, context, fed_back)
        return [bottom, context, *above]

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """With s' as the state in between; cells above the two are a stack on top of them.

        `s'_t = cell_1([x_t; a_{t-1}], s_{t-1})`, `c_t = attend(s'_t)`, `s_t = cell_2(c_t, s'_t)`.
        """
        output, shared = run_stack(cells[:1], inputs, states[:1])
        attended = attend(output)
        output, after = run_stack(cells[1:], [attended.context], [*shared, *states[1:]])
        return output, attended, after


class Bottom(QueryTime):
    """After the bottom cell, and all above read what it gets (GNMT; Wu)."""

    name = "bottom"
    runs_at_once = True
    fewest_cells = 2

    def query_size(self, cells: Sequence[Any]) -> int:
        return output_size(cells[0])

    def input_sizes(
        self, cells: Sequence[Any], inputs: int, context: int, fed_back: int
    ) -> list[int]:
        bottom, *above = super().input_sizes(cells, inputs, context, fed_back)
        return [bottom, *(size + context for size in above)]

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """The bottom cell asks, and what it gets is beside the inputs of all others.

        `y_t^1 = cell_1([x_t; a_{t-1}], .)`, `c_t = attend(y_t^1)`,
        `y_t^n = cell_n([y_t^{n-1}; c_t], .)`.
        """
        output, lower = run_stack(cells[:1], inputs, states[:1])
        attended = attend(output)
        output, upper = run_stack(cells[1:], [output], states[1:], beside=[attended.context])
        return output, attended, [*lower, *upper]


QUERY_TIMES: dict[Query, QueryTime] = {
    time.name: time for time in (Current(), Previous(), Between(), Bottom())
}
