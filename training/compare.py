"""Compare systems on the same pairs: `python -m training.compare OLD NEW`.

A system is a run; several joined by `+`, an ensemble; or a file of outputs, one for each pair, as
`training.evaluate --out` writes it. Trainings that differ in their seed alone are named with commas
between them and are one system, whose values are averaged. `NAME=` before a system names it:

  python -m training.compare old=runs/a1,runs/a2 new=runs/b1,runs/b2 both=runs/a1+runs/b1

Gains are over the first system, with intervals from a paired bootstrap. Where the interval holds 0,
there is no difference to speak of.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.options import add_search, add_test_set, same_pairs, translator_of
from training.program import guarded

if TYPE_CHECKING:
    from keras_attention.stored.bounds import MetricName
    from training.corpora.pairs import Pair


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("systems", nargs="+", metavar="SYSTEM", help="two or more systems")
    parser.add_argument(
        "--metric",
        action="append",
        choices=("bleu", "exact_match", "token_error_rate"),
        help="once per metric (default: as the first run was judged)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (1000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the resamples (1)")
    add_search(parser)
    add_test_set(parser)
    options = parser.parse_intermixed_args(arguments)
    systems = dict(map(_named, options.systems))
    runs = [run for parts in systems.values() for part in parts for run in _runs(part)]
    return guarded(lambda: _compare(options, systems, runs), OSError, ValueError, runs=runs)


def _named(system: str) -> tuple[str, list[str]]:
    """Return the name of a system, and what stands between its commas."""
    name, _, parts = system.rpartition("=")
    return name or parts, parts.split(",")


def _runs(part: str) -> list[str]:
    """Return the runs of an ensemble; none if it is a file of outputs."""
    return [] if Path(part).is_file() else part.split("+")


def _compare(
    options: argparse.Namespace, systems: dict[str, list[str]], runs: Sequence[str]
) -> int:
    if len(systems) < 2:
        raise ValueError(
            f"There must be at least two systems of different names. Received: {options.systems}"
        )
    pairs = same_pairs(options, runs)

    from training.evaluation.metrics import COUNTED
    from training.evaluation.systems import compare_systems
    from training.evaluation.translation import references_by_source

    metrics = options.metric or _judged(runs)
    targets = references_by_source(pairs)
    outputs = {
        name: [_outputs(options, part, pairs, list(targets)) for part in parts]
        for name, parts in systems.items()
    }
    references = list(targets.values())
    found = [
        compare_systems(COUNTED[name], outputs, references, options.resamples, options.seed)
        for name in metrics
    ]
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in found]))
    else:
        print(*found, sep="\n\n")
    return 0


def _judged(runs: Sequence[str]) -> Sequence[MetricName]:
    """Return the metrics of the kind that the first run was judged by."""
    from keras_attention import RunDirectory
    from training.evaluation.metrics import OF_TRANSLATIONS
    from training.recipes.reading import config_from

    if not runs:
        raise ValueError("--metric is required where all systems are files of outputs.")
    metric = config_from(RunDirectory(runs[0]).config()).data.metric
    return ["bleu"] if metric in OF_TRANSLATIONS else ["exact_match", "token_error_rate"]


def _outputs(
    options: argparse.Namespace, part: str, pairs: Sequence[Pair], sources: Sequence[str]
) -> list[str]:
    """Return the output of a system for each source."""
    runs = _runs(part)
    if runs:
        return [result.text for result in translator_of(options, *runs)(sources)]
    with Path(part).open(encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n") for line in file]
    if len(lines) != len(pairs):
        raise ValueError(
            f"A file of outputs must have a line for each of the {len(pairs):,} pairs. "
            f"Received: {part} with {len(lines):,} lines"
        )
    by_source = {source: line for (source, _), line in zip(pairs, lines, strict=True)}
    return [by_source[source] for source in sources]


if __name__ == "__main__":
    sys.exit(main())
