"""Compare our exports with a Transformer in CTranslate2: `python -m benchmarks.deployed`.

Both are trained on Multi30k, German to English, with the same pieces: ours is RUN; OpenNMT-py
trains the other one, 3 + 3 layers of 256, which takes an hour on two cores and is resumed after an
interruption. First BLEU on the held-out pairs, so that it is known what the speed buys. Then
searches of a fixed length, in turns, with JoeyNMT's recurrent search as a further side: every
sentence has 18 tokens and gets as many target tokens as RUN allows. Ours never end, as their
weights make the end token unlikely; the peers have options for it.

A token is one target token of one sentence: "ms a token" is the time of a search, divided by all
its target tokens. "CTranslate2 takes" has ratios to CTranslate2 in the same precision (float32 for
float16), computed turn by turn: 1.5x means that ours is 1.5 times as fast. "Load" is the time to
open the file and "peak" the memory of the search, both after the imports. "Of memory's pace" is
how fast the weights that a step needs are read, as a share of how fast this machine reads memory;
it can be above 100 % where they fit into a cache.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import description, is_idle
from export.program import guarded

PARTS = ("bleu", "speed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deployed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}: all")
    parser.add_argument("--run", type=Path, required=True, help="a run of multi30k-de-en")
    parser.add_argument("--data", type=Path, required=True, help="the folder with multi30k/")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/deployed"),
        help="the folder of all that is made from RUN, and kept (%(default)s)",
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of each side (%(default)s)")
    parser.add_argument(
        "--only", default="", help="run only cases of speed whose names contain all these words"
    )
    options = parser.parse_args(arguments)
    unknown = sorted({*options.parts} - {*PARTS})
    if unknown:
        parser.error(f"argument PART: expected any of {', '.join(PARTS)}. Received: {unknown}")
    return guarded(lambda: _compare(options), failed=1, run=options.run)


def _compare(options: argparse.Namespace) -> int:
    from benchmarks.deployed.quality import score
    from benchmarks.deployed.sides import ONNX, claim, exported, sides
    from benchmarks.deployed.speed import compare
    from benchmarks.deployed.transformer import transformer
    from keras_attention import RunDirectory

    run = RunDirectory(options.run).require_complete()
    claim(options.work, run)
    theirs = transformer(run, options.data, options.work / "opennmt")
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    parts = options.parts or PARTS
    if "bleu" in parts:
        ours = sides(exported(run.path, options.work / "exported"), ONNX)
        print("\n".join(score(run, {**ours, **theirs})) + "\n", flush=True)
    if "speed" in parts:
        compare(run, options.work, theirs, options.turns, options.only)
    print(description())
    return 0


if __name__ == "__main__":
    sys.exit(main())
