"""Export a trained model: `python -m export RUN OUT [--formats saved_model tflite onnx]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from export.layout import FORMATS, PRECISIONS
from export.program import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="the run directory to export")
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the output folder: new, empty, or an earlier export, which is replaced",
    )
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, help="default: all"
    )
    parser.add_argument(
        "--quantize",
        nargs="+",
        choices=PRECISIONS,
        default=(),
        help="also write TFLite and ONNX files with float16 weights (half the size) or int8 "
        "weights (a quarter of the size, and faster)",
    )
    parser.add_argument(
        "--onnxruntime-web",
        metavar="FOLDER",
        help="npm's package onnxruntime-web, to lie beside the page instead of on a CDN",
    )
    options = parser.parse_args(arguments)
    return guarded(lambda: _export(options), failed=2, run=options.run)


def _export(options: argparse.Namespace) -> int:
    from export.pipeline import export_run
    from keras_attention import RunDirectory

    note = RunDirectory(options.run).unfinished()
    if note:
        print(f"note: {note}", file=sys.stderr)
    out = export_run(
        options.run, options.out, options.formats, options.quantize, options.onnxruntime_web
    )
    print(f"Exported to {out}. Verify: python -m export.verify {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
