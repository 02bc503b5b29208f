"""Compare runs by source length: `python -m training.compare_lengths RUN RUN --out curve.png`.

Translates the same pairs with each run and plots BLEU against the number of source words, with 95 %
bootstrap intervals. Differences are those between the first run and each other run. Attention
should help with long sentences: to see its effect, name a run with attention first and one without
second.
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
from training.pictures.heat_maps import FORMATS
from training.program import guarded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from training.evaluation.comparison import Comparison


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.compare_lengths",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two or more run directories")
    parser.add_argument(
        "--name", action="append", metavar="NAME", help="the name of a run, once per run"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .png, .svg or .pdf picture")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--lowercase", action="store_true", help="lower-case both sides for BLEU")
    parser.add_argument("--buckets", type=int, default=6, help="points of the curve (6)")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (1000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the resamples (1)")
    add_search(parser)
    add_test_set(parser)
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _compare(options), OSError, ValueError, runs=options.runs)


def _compare(options: argparse.Namespace) -> int:
    _check(options)
    names = [Path(run).resolve().name for run in options.runs]
    if len(set(names)) < len(names):
        names = options.runs
    names = options.name or names
    pairs = same_pairs(options, options.runs)

    from keras_attention.files import replacing
    from training.evaluation.comparison import compare
    from training.evaluation.translation import references_by_source

    targets = references_by_source(pairs)
    outputs = [
        [result.text for result in translator_of(options, run)(list(targets))]
        for run in options.runs
    ]
    comparison = compare(
        names,
        outputs,
        targets,
        buckets=options.buckets,
        lowercase=options.lowercase,
        resamples=options.resamples,
        seed=options.seed,
    )
    if options.out is not None:
        with replacing(options.out) as fresh:
            draw(comparison).savefig(fresh, dpi=150)
    print(json.dumps(dataclasses.asdict(comparison)) if options.json else comparison)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raise `ValueError` if the options are invalid, before any work is done."""
    if len(options.runs) < 2:
        raise ValueError(f"There must be at least two runs. Received: {options.runs}")
    if options.name is not None and len(options.name) != len(options.runs):
        raise ValueError(
            "--name must be given once per run. "
            f"Received: {len(options.name)} names, {len(options.runs)} runs"
        )
    if options.out is not None and options.out.suffix not in FORMATS:
        raise ValueError(f"--out must end in one of {', '.join(FORMATS)}. Received: {options.out}")
    for name in ("buckets", "resamples", "seed"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be positive. Received: {getattr(options, name)}")


def draw(comparison: Comparison) -> Figure:
    """Draw BLEU by source length with intervals, and below it the number of sources."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    curve, counts = figure.subplots(2, sharex=True, height_ratios=[5, 1])
    rows = comparison.rows
    places = range(len(rows))
    for k, name in enumerate(comparison.names):
        values = [row.bleu[k] for row in rows]
        shift = 0.04 * (k - (len(comparison.names) - 1) / 2)
        below_above = [[x.value - x.low for x in values], [x.high - x.value for x in values]]
        curve.errorbar(
            [place + shift for place in places],
            [x.value for x in values],
            yerr=[[max(x, 0.0) for x in side] for side in below_above],
            marker="os^Dv"[k % 5],
            linewidth=2,
            elinewidth=1.2,
            capsize=3,
            label=f"{name} ({comparison.whole.bleu[k].value:.1f} on all)",
        )
    curve.set_ylabel("BLEU, lower-cased" if "case:lc" in comparison.signature else "BLEU")
    curve.set_ylim(bottom=0)
    curve.grid(axis="y", color="0.9")
    curve.legend(frameon=False, loc="best")
    counts.bar(places, [row.sources for row in rows], color="0.8", width=0.6)
    counts.set_ylabel("sources")
    counts.set_xticks(places, [row.words.replace("-", "–") for row in rows])
    counts.set_xlabel("length of the source (words)")
    for axis in (curve, counts):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    sys.exit(main())
