"""Verify an export in its runtimes: `python -m export.verify OUT [--run RUN] [--browser]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; 1 if anything differs, is missing or does not run."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that the export wrote")
    parser.add_argument(
        "--run",
        metavar="RUN",
        type=Path,
        help="the run directory: its Keras model answers anew, instead of OUT/reference.npz",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        default=(),
        metavar=("SOURCE", "TARGET"),
        type=Path,
        help="a file of texts, and one of their translations, instead of what was held out of the "
        "training; needs --run",
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="also the page, in headless Chromium; it takes ONNX Runtime Web from the net, or from "
        "the folder of npm's onnxruntime-web that the variable ONNXRUNTIME_WEB names",
    )
    parser.add_argument(
        "--strict", action="store_true", help="weights in fewer bits may lose 0.3 BLEU, not 1.0"
    )
    options = parser.parse_args(arguments)
    if len(options.data) > 2:
        parser.error("argument --data: one file, or two")
    return guarded(lambda: _verify(options), failed=1)


def _verify(options: argparse.Namespace) -> int:
    from export.verify import report
    from export.verify.compare import MOST_BLEU_LOST, MOST_BLEU_LOST_STRICTLY
    from export.verify.verification import verify

    out = options.out
    may_lose = MOST_BLEU_LOST_STRICTLY if options.strict else MOST_BLEU_LOST
    given = {"data": options.data, "browser": options.browser, "may_lose": may_lose}
    rows = verify(out, options.run, **given)
    report.write(out, rows)
    print(report.table(rows))
    for line in report.notes(rows):
        print(f"note: {line}", file=sys.stderr)
    for line in report.problems(rows):
        print(f"error: {line}", file=sys.stderr)
    return 0 if report.passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
