"""Run a TFLite file in LiteRT."""

from __future__ import annotations

import sys
from functools import cache

from ai_edge_litert.interpreter import Interpreter
from runner import Function, main  # type: ignore[import-not-found]


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open a signature of a TFLite file; it takes one row at a time."""
    return _interpreter(path, threads).get_signature_runner(signature)


@cache  # one interpreter for all signatures, as in an app
def _interpreter(path: str, threads: int) -> Interpreter:
    return Interpreter(path, num_threads=threads)


if __name__ == "__main__":
    sys.exit(
        main(
            open_artefact,
            forbidden=("keras", "keras_attention", "tensorflow"),
            one_row_at_a_time=True,
        )
    )
