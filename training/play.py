"""Write the models of the page docs/play: `python -m training.play RUN... OUT`.

The runs come from the recipes play-lecture, play-commands and play-dates, one for each score and
one without attention; docs/play.md has the commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.play",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directories")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file, docs/play/weights.js")
    options = parser.parse_args(arguments)
    return guarded(lambda: _write(options), OSError, ValueError, runs=options.runs)


def _write(options: argparse.Namespace) -> int:
    from keras_attention import RunDirectory
    from training.playing.weights import write_models

    if options.out.suffix != ".js":
        raise ValueError(f"OUT must name a file that ends in .js. Received: {options.out}")
    write_models([RunDirectory(run) for run in options.runs], options.out)
    print(f"Wrote {options.out}, {options.out.stat().st_size / 1e3:.0f} kB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
