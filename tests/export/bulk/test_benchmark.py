"""The benchmark of bulk translation, on the toy."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bulk import Result, table
from benchmarks.workers.bulk import KERAS, Side, timed
from keras_attention.text.runs import RunDirectory


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_sides_translate_alike(
    run: RunDirectory, exported: Path, lines: list[str], search: str
) -> None:
    sides = [Side(name, str(run.path), str(exported), search, 2) for name in (KERAS, "float32")]
    (seconds, spent, theirs), (_, _, ours) = (timed(side, lines) for side in sides)
    assert ours == theirs
    assert len(set(ours)) >= 5
    assert min(seconds, spent) > 0


def test_the_table() -> None:
    results = {
        KERAS: Result([8.0, 4.0, 6.0], [9.0, 9.0, 9.0], ["a", "b", "c"]),
        "int8": Result([2.0, 2.0, 2.0], [3.0, 3.0, 3.9], ["a", "b", "d"]),
    }
    assert table(results, 3)[2:] == [
        "| Keras | 0.5 | 1.00x | 3000.0 | 3 of 3 |",
        "| int8 | 1.5 | 3.00x | 1000.0 | 2 of 3 |",
    ]
