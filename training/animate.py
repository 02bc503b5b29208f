"""Animate a decoding: `python -m training.animate RUN TEXT --out FILE.gif`.

A heat map of attention that grows with the output: one row per output token, added when the token
is written, and one column per source token; dark cells have large weights. The first frame is the
complete heat map, for viewers that do not play animations.
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
        prog="python -m training.animate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("text", metavar="TEXT", help="what to translate")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .gif file")
    options = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _animate(options), OSError, ValueError, runs=[options.run])


def _animate(options: argparse.Namespace) -> int:
    from keras_attention.stored import printable
    from training.pictures.animation import animate

    if options.out.suffix != ".gif":
        raise ValueError(f"--out must name a file that ends in .gif. Received: {options.out}")
    (result,) = loaded(options.run)([options.text])
    unknown = animate(result, options.out)
    if unknown:
        print(f"warning: no installed font has {printable(unknown)}", file=sys.stderr)
    print(f"Wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
