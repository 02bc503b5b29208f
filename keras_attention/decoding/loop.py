"""The loop of every search, and how rows leave it when their hypotheses have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import keras
from keras import ops

from keras_attention.decoding.types import repeat_rows
from keras_attention.types import Nest, Tensor

Loop = TypeVar("Loop", bound=Any)
"""The loop state of a search, a named tuple: `time` is a scalar, the fields in `_OF_ROWS` are (B,)
or (B, K), and everything else has B * K rows."""

_OF_ROWS = ("ended", "log_prob", "lengths")
_MAY_LEAVE = ContextVar("rows may leave", default=False)


@contextmanager
def rows_may_leave() -> Iterator[None]:
    """Let rows leave the searches that are traced here when all their hypotheses have ended.

    `generate` and conversions to ONNX do. SavedModels keep all rows: OpenVINO, which reads them,
    too, cannot change the number of rows in a loop, and returns none at all.
    """
    token = _MAY_LEAVE.set(True)
    try:
        yield
    finally:
        _MAY_LEAVE.reset(token)


def until_all_ended(
    extend: Callable[..., Loop],
    start: Loop,
    max_length: int | Tensor,
    memory: tuple[Nest, ...] = (),
    width: int | Tensor = 1,
    may_leave: bool = False,
) -> Loop:
    """Extend hypotheses step by step until all have ended or have `max_length` tokens.

    A batch takes as many steps as its longest hypothesis. If rows may leave, in `rows_may_leave()`,
    then whenever a quarter of them has ended, the steps go on with the others alone. Rows are
    independent, so the results are the same. This needs tensors whose number of rows changes while
    a graph runs, which only TensorFlow has, if it does not know the batch size; elsewhere, all rows
    stay.

    Args:
        extend: `extend(loop, rows, *memory) -> loop` adds a token to the hypotheses of so many
            rows.
        start: The loop state of all rows.
        max_length: Maximum tokens per hypothesis.
        memory: What `extend` reads of each row and never changes: nests of tensors with B rows and
            None. It gets those of the rows in the loop, each repeated `width` times.
        width: K, the number of hypotheses per row.
        may_leave: Whether all that a step reads of a row is in the memory and in the loop.
    """

    def steps(
        loop: Loop, rows: int | Tensor, memory: tuple[Nest, ...], has_work: Callable[[Loop], Tensor]
    ) -> Loop:
        read = repeat_rows(memory, width)

        def go_on(loop: Loop) -> Tensor:
            return ops.logical_and(loop.time < max_length, has_work(loop))

        (end,) = ops.while_loop(go_on, lambda loop: (extend(loop, rows, *read),), (loop,))
        return end

    count = ops.shape(start.ended)[0]
    if not (may_leave and _MAY_LEAVE.get()) or start.ended.shape[0] is not None:
        return steps(start, count, memory, lambda loop: ops.any(ops.logical_not(loop.ended)))

    def some_are_left(places: Tensor, loop: Loop, found: Loop) -> Tensor:
        return ops.logical_and(loop.time < max_length, ops.shape(places)[0] > 0)

    def until_some_leave(places: Tensor, loop: Loop, found: Loop) -> tuple[Tensor, Loop, Loop]:
        rows = ops.shape(places)[0]
        most = rows * 3 // 4
        here = keras.tree.map_structure(partial(_taken, places), memory)
        loop = steps(
            loop, rows, here, lambda loop: ops.sum(ops.cast(_is_live(loop), "int32")) > most
        )
        (live,) = ops.nonzero(_is_live(loop))
        found = _at_rows(_written, places, width, found, loop)
        return _taken(live, places), _at_rows(_taken, live, width, loop), found

    start_of_all = (ops.arange(count), start, start)
    _, _, found = ops.while_loop(some_are_left, until_some_leave, start_of_all)
    return found


def _is_live(loop: Loop) -> Tensor:
    """Whether any hypothesis of each row has not ended, (B,)."""
    live = ops.logical_not(loop.ended)
    return ops.any(live, axis=1) if len(live.shape) > 1 else live


def _at_rows(function: Callable[..., Any], rows: Tensor, width: int | Tensor, *loops: Loop) -> Loop:
    """Apply `function(places, ...)` to what loops have at some rows, or at their K hypotheses."""
    hypotheses = ops.reshape(ops.expand_dims(rows, 1) * width + ops.arange(width), (-1,))
    *_, last = loops
    results = {}
    for name in (field for field in last._fields if field != "time"):
        at_places = partial(function, rows if name in _OF_ROWS else hypotheses)
        fields = (getattr(loop, name) for loop in loops)
        results[name] = keras.tree.map_structure(at_places, *fields)
    return last._replace(**results)


def _taken(places: Tensor, x: Tensor | None) -> Tensor | None:
    return None if x is None else ops.take(x, places, axis=0)


def _written(places: Tensor, whole: Tensor, x: Tensor) -> Tensor:
    return ops.scatter_update(whole, ops.expand_dims(places, 1), x)
