"""Compare `export.translate` with the Keras model: `python -m benchmarks.bulk RUN EXPORT`.

The Keras model of RUN (`Translator`, with its own batches) and the ONNX files of its export
translate the same texts with the same search, in turns, each in a process of its own that uses all
processors and has loaded its model before. "Keras takes" is the ratio of their times, computed turn
by turn: 1.5x means that the export is 1.5 times as fast. "CPU ms a line" is the time of all
processors together, which other work on the machine changes less. "Equal" counts the texts with the
same translation as by the Keras model.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.machine import description, is_idle
from benchmarks.worker import cores
from benchmarks.workers.bulk import KERAS, Side, timed
from export.bulk.settings import SEARCHES, default_search
from export.layout import FLOAT32
from export.program import guarded

PRECISIONS = (FLOAT32, "int8")


class Result(NamedTuple):
    """The seconds of each turn of a side, those of all processors, and its translations."""

    turns: list[float]
    spent: list[float]
    texts: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run")
    add("export", metavar="EXPORT", help="its export, with ONNX files")
    add("--search", choices=SEARCHES, help="default: the export's")
    add("--precisions", nargs="+", default=PRECISIONS, help="of the export: float32 int8")
    add("--source", type=Path, help="a file of texts, instead of the run's held-out ones")
    add("--lines", type=int, default=1000, help="the first lines alone (%(default)s)")
    add("--turns", type=int, default=5, help="turns of each side (%(default)s)")
    options = parser.parse_args(arguments)
    return guarded(lambda: _compare(options), failed=1, run=options.run, out=options.export)


def _compare(options: argparse.Namespace) -> int:
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    search = options.search or default_search(options.export)
    sides = [
        Side(name, options.run, options.export, search, cores())
        for name in (KERAS, *options.precisions)
    ]
    texts = _texts(options)
    print("\n".join(table(measured(sides, texts, options.turns), len(texts))))
    print(f"\n{search}, {len(texts)} texts. {description()}")
    return 0


def measured(sides: Sequence[Side], texts: Sequence[str], turns: int) -> dict[str, Result]:
    """Let all sides translate texts in turns.

    Args:
        sides: The sides.
        texts: The texts.
        turns: The number of turns of each.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    results = {side.name: Result([], [], []) for side in sides}
    with ExitStack() as opened:
        processes = [
            opened.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for _ in sides
        ]
        for _ in range(turns):
            for side, process in zip(sides, processes, strict=True):
                seconds, spent, found = process.submit(timed, side, texts).result()
                results[side.name].turns.append(seconds)
                results[side.name].spent.append(spent)
                results[side.name].texts[:] = found
    return results


def table(results: dict[str, Result], count: int) -> list[str]:
    """Return a table of what sides have measured on a number of texts."""
    head = "| side | lines a second | Keras takes | CPU ms a line | equal |"
    lines = [head, "|---|---|---|---|---|"]
    theirs = results[KERAS]
    for name, ours in results.items():
        pace = count / median(ours.turns)
        ratio = median(x / y for x, y in zip(theirs.turns, ours.turns, strict=True))
        spent = 1e3 * median(ours.spent) / count
        equal = sum(x == y for x, y in zip(theirs.texts, ours.texts, strict=True))
        lines.append(f"| {name} | {pace:.1f} | {ratio:.2f}x | {spent:.1f} | {equal} of {count} |")
    return lines


def _texts(options: argparse.Namespace) -> list[str]:
    if options.source is not None:
        texts = options.source.read_text(encoding="utf-8").splitlines()
    else:
        from keras_attention import RunDirectory

        texts = [source for source, _ in RunDirectory(options.run).require_complete().held_out()]
    return texts[: options.lines]


if __name__ == "__main__":
    sys.exit(main())
