"""Explain one decoding, step by step: `python -m training.explain RUN "let's go"`.

For each step of the decoder: the query, the score of each source token and, for comparison, other
scores of the same vectors, the shares, the weighted sum, the likeliest next words, and whether the
end is reached. All numbers are those of the running model, and what is found is what
training.translate writes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from training.options import count, loaded
from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("text", metavar="TEXT", help="what to translate")
    parser.add_argument("--step", type=int, metavar="N", help="only this step, from 1")
    parser.add_argument(
        "--rows", type=count, default=12, help="source tokens of a step, those with most; else 12"
    )
    parser.add_argument("--words", type=count, default=5, help="next words of a step; else 5")
    parser.add_argument(
        "--json", action="store_true", help="all of it, in full precision, as one JSON document"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the steps, as FILE.svg")
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _explain(options), OSError, ValueError)


def _explain(options: argparse.Namespace) -> int:
    from training.explanation.steps import explain
    from training.explanation.text import as_text

    if options.svg is not None and options.svg.suffix != ".svg":
        raise ValueError(f"--svg must name a file that ends in .svg. Received: {options.svg}")
    explanation = explain(loaded(options.run), options.text, options.words)
    if options.step is not None:
        explanation = explanation.only(options.step)
    if options.svg is not None:
        from training.explanation.picture import plot

        unknown = plot(explanation, options.svg, options.rows)
        if unknown:
            print(f"warning: no font here has {unknown}", file=sys.stderr)
        print(f"Wrote {options.svg}", file=sys.stderr)
    if options.json:
        print(json.dumps(explanation.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        print(as_text(explanation, options.rows, _has_colours()), end="")
    return 0


def _has_colours() -> bool:
    """Whether the output is a terminal that takes colours, and nobody says no to them."""
    is_dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return sys.stdout.isatty() and not is_dumb


if __name__ == "__main__":
    sys.exit(main())
