"""Plot attention weights: `python -m training.plot_attention RUN [TEXT ...] --out FILE.png`.

Draws one heat map per text, one below the other: a row per output token and a column per source
token; dark cells have large weights. The texts default to some held-out ones. With `--beside`, the
heat maps of other runs are drawn on the right, to compare models and mechanisms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.options import loaded
from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.plot_attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what to translate")
    parser.add_argument(
        "--beside", action="append", default=[], metavar="RUN", help="another run; may be repeated"
    )
    parser.add_argument("--out", required=True, type=Path, help="a .png, .svg or .pdf file")
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _plot(options), OSError, ValueError, runs=[options.run, *options.beside])


def _plot(options: argparse.Namespace) -> int:
    from keras_attention.stored import printable
    from keras_attention.text.runs import RunDirectory
    from training.pictures.heat_maps import examples, plot

    runs = [options.run, *options.beside]
    translators = [loaded(run) for run in runs]
    texts = options.texts or examples(RunDirectory(options.run).held_out())
    by_run = [translator(texts) for translator in translators]
    results = [result for of_text in zip(*by_run, strict=True) for result in of_text]
    names = [Path(run).resolve().name for run in runs] if options.beside else [""]
    unknown = plot(results, options.out, names)
    if unknown:
        print(
            f"warning: no installed font has {printable(unknown)}; consider Noto Sans CJK",
            file=sys.stderr,
        )
    print(f"Wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
