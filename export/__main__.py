"""Export a trained model: `python -m export RUN OUT [--formats saved_model tflite onnx]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

FORMATS = ("saved_model", "tflite", "onnx")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="the run directory that training left")
    parser.add_argument("out", metavar="OUT", help="the folder to write; replaced if it exists")
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, help="default: all of them"
    )
    options = parser.parse_args(arguments)

    from export.pipeline import export_run

    try:
        out = export_run(options.run, options.out, options.formats)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Exported to {out}. Verify: python -m export.verify {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
