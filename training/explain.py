"""Explain a decoding step by step: `python -m training.explain RUN "let's go"`.

Shows for each step of the decoder: the query, the score of each source token (and, for comparison,
other scores of the same vectors), the attention weights (shares), the weighted sum, the most
probable next words, and whether the end is reached. All numbers are recorded from the running
model. The translation is the one that training.translate writes. To change a share, a score or a
word and see what follows, open docs/play/index.html.
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
    parser.add_argument("--step", type=int, metavar="N", help="show only this step, from 1")
    parser.add_argument(
        "--rows", type=count, default=12, help="source tokens per step, by largest share (12)"
    )
    parser.add_argument("--words", type=count, default=5, help="next words per step (5)")
    parser.add_argument(
        "--json", action="store_true", help="print everything as JSON, in full precision"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the steps to FILE.svg")
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _explain(options), OSError, ValueError, runs=[options.run])


def _explain(options: argparse.Namespace) -> int:
    from keras_attention.stored import printable
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
            print(f"warning: no installed font has {printable(unknown)}", file=sys.stderr)
        print(f"Wrote {options.svg}", file=sys.stderr)
    if options.json:
        print(printable(json.dumps(explanation.as_dict(), ensure_ascii=False, allow_nan=False)))
    else:
        print(as_text(explanation, options.rows, _has_colours()), end="")
    return 0


def _has_colours() -> bool:
    """Return whether the output is a terminal with colours that are not switched off."""
    is_dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return sys.stdout.isatty() and not is_dumb


if __name__ == "__main__":
    sys.exit(main())
