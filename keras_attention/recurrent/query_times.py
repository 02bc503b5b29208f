"""When a decoder queries: before its cells run, after them, or in between; one class for each.

The equations are in `run`, with the symbols of `AttentionDecoder`: x_t are the inputs, s_t the
cells' states, y_t^n is the output of cell n, c_t the context, and a_{t-1} the fed-back vector, if
there is one. They hold for one step and, if `runs_at_once`, for all steps of a target at once.
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
    """An attention layer's results for a query: context, weights and next state."""

    context: Tensor
    weights: Tensor
    state: State


Inputs: TypeAlias = list[Tensor]
Cells: TypeAlias = Sequence[CellStep]
Attend: TypeAlias = Callable[[Tensor], Attended]
Outcome: TypeAlias = tuple[Tensor, Attended, States]


class QueryTime:
    """When a decoder queries; one subclass per query time.

    Attributes:
        name: The value of the decoder's argument `query`.
        feeds_back: Whether input feeding is the default: only if no cell reads c_t anyway.
        runs_at_once: Whether no query depends on a context, so that all steps can run at once if
            nothing is fed back.
        fewest_cells: Minimum number of cells; if it is 2, attention is between cells.
        transitions: Number of cells in the lowest layer.
    """

    name: Query
    feeds_back = False
    runs_at_once = False
    fewest_cells = 1
    transitions = 1

    def check(
        self, cells: Sequence[Any], attention: Any, input_feeding: bool | None, attention_layer: Any
    ) -> None:
        """Raise `ValueError` if a decoder's arguments are not valid for this query time."""
        if attention is None and self.fewest_cells > 1:
            raise ValueError(
                f"Argument `query={self.name!r}` needs an attention layer. Received: attention=None"
            )
        if len(cells) < self.fewest_cells:
            raise ValueError(
                f"Argument `query={self.name!r}` needs at least two cells, one before attention "
                f"and one after it. Received: {len(cells)} cell"
            )
        if attention is None and input_feeding:
            raise ValueError(
                "Argument `input_feeding` needs an attention layer, whose result is fed back. "
                f"Received: input_feeding={input_feeding}, attention=None"
            )

    def kept_cells(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells whose states the decoder keeps."""
        return list(cells)

    def query_size(self, cells: Sequence[Any]) -> int:
        """Return the number of features of a query."""
        raise NotImplementedError

    def input_sizes(
        self, cells: Sequence[Any], inputs: int, context: int, fed_back: int
    ) -> list[int]:
        """Return how many features each cell reads, given those of inputs, context and feedback.

        In this base class, no cell reads the context.
        """
        return [inputs + fed_back, *(output_size(cell) for cell in cells[:-1])]

    def run(self, inputs: Inputs, states: States, cells: Cells, attend: Attend) -> Outcome:
        """Run the cells and attend.

        Args:
            inputs: x_t and, if there is feedback, a_{t-1}; (B, .) each, or (B, T, .) for all
                steps.
            states: The states of the kept cells.
            cells: The cells as functions, bottom to top, for one step or for all.
            attend: The attention layer as a function of one query, or of all.

        Returns:
            The top cell's output, the attention layer's results, the next states of the kept cells.
        """
        raise NotImplementedError


class Current(QueryTime):
    """Queries after the cells run, with the new output of the top cell (Luong)."""

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
    """Queries before the cells run, with the first state of the top cell (Bahdanau)."""

    name = "previous"

    def check(
        self, cells: Sequence[Any], attention: Any, input_feeding: bool | None, attention_layer: Any
    ) -> None:
        super().check(cells, attention, input_feeding, attention_layer)
        if input_feeding and attention_layer is None:
            raise ValueError(
                "Argument `input_feeding` needs an `attention_layer`, whose output is fed back, if "
                "query='previous', where the context enters the cell already. "
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
    """Queries between the two lowest cells, which share one state (conditional GRU; Sennrich)."""

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
                "Argument `query='between'` needs equal state sizes in the two lowest cells, which "
                f"share a state. Received: state sizes {sizes[0]} and {sizes[1]}"
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
        """Run the two lowest cells, with s' the state between them; any others are stacked on top.

        `s'_t = cell_1([x_t; a_{t-1}], s_{t-1})`, `c_t = attend(s'_t)`, `s_t = cell_2(c_t, s'_t)`.
        """
        output, shared = run_stack(cells[:1], inputs, states[:1])
        attended = attend(output)
        output, after = run_stack(cells[1:], [attended.context], [*shared, *states[1:]])
        return output, attended, after


class Bottom(QueryTime):
    """Queries after the bottom cell; all cells above read the context (GNMT; Wu)."""

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
        """The bottom cell queries; the context is an additional input of all cells above.

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
