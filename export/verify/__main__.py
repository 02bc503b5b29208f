"""Verify an export in its runtimes: `python -m export.verify OUT [--run RUN]`."""

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
    options = parser.parse_args(arguments)
    return guarded(lambda: _verify(options.out, options.run), failed=1)


def _verify(out: Path, run: Path | None) -> int:
    from export.verify import report
    from export.verify.verification import verify

    rows = verify(out, run)
    report.write(out, rows)
    print(report.table(rows))
    for line in report.problems(rows):
        print(f"error: {line}", file=sys.stderr)
    return 0 if report.passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
