"""Verify an export in all its runtimes: `python -m export.verify OUT [--run RUN] [--browser]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return 1 if an artefact differs, is missing or does not run."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that the export wrote")
    parser.add_argument(
        "--run",
        metavar="RUN",
        type=Path,
        help="the run directory; its Keras model is run again, instead of OUT/reference.npz",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        default=(),
        metavar=("SOURCE", "TARGET"),
        type=Path,
        help="a file of texts, and optionally one of their translations, instead of the held-out "
        "pairs; requires --run",
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="also verify the page in headless Chromium; ONNX Runtime Web is loaded from the "
        "internet, or from npm's onnxruntime-web in the folder $ONNXRUNTIME_WEB",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="let quantized weights lose at most 0.3 BLEU, not 1.0, and `score` be off by at most "
        "0.02 nats per token, not 0.05",
    )
    options = parser.parse_args(arguments)
    if len(options.data) > 2:
        parser.error("argument --data: expected one or two files")
    return guarded(lambda: _verify(options), failed=1, run=options.run, out=options.out)


def _verify(options: argparse.Namespace) -> int:
    from export.verify import report
    from export.verify.compare import LIMITS, STRICT_LIMITS
    from export.verify.verification import verify
    from keras_attention.stored import printable

    out = options.out
    limits = STRICT_LIMITS if options.strict else LIMITS
    given = {"data": options.data, "browser": options.browser, "limits": limits}
    rows = verify(out, options.run, **given)
    report.write(out, rows)
    print(printable(report.table(rows), lines=True))
    for line in report.notes(rows):
        print(f"note: {line}", file=sys.stderr)
    for line in report.problems(rows):
        print(f"error: {printable(line)}", file=sys.stderr)
    return 0 if report.passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
