"""Runs a TFLite file in LiteRT."""

from __future__ import annotations

import sys

from ai_edge_litert.interpreter import Interpreter

from export.verify.runner import Function, main


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """A signature of a TFLite file; it takes one row at a time."""
    interpreter = Interpreter(path, num_threads=threads)
    return interpreter.get_signature_runner(signature)


if __name__ == "__main__":
    sys.exit(
        main(
            open_artefact,
            forbidden=("keras", "keras_attention", "tensorflow"),
            one_row_at_a_time=True,
        )
    )
