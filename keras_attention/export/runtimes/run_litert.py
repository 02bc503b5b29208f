"""Run a TFLite file in LiteRT."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from allocations import watched  # type: ignore[import-not-found]
from runner import (  # type: ignore[import-not-found]
    HOST_LOOP,
    Arrays,
    Function,
    Job,
    check_has,
    main,
)


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open a signature of a TFLite file; it refuses other sizes than those that the file fixes."""
    interpreter = _interpreter(path, threads)
    check_has(signature, list(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(signature)
    fixed = {name: x["shape_signature"] for name, x in runner.get_input_details().items()}

    def call(**inputs: np.ndarray) -> Arrays:
        for name, x in inputs.items():
            expected = tuple(map(int, fixed[name]))
            same = x.ndim == len(expected) and np.all(
                (fixed[name] == -1) | (fixed[name] == x.shape)
            )
            if not same:
                raise ValueError(
                    f"the file takes `{name}` of shape {expected}, where -1 is any size. "
                    f"Received: {x.shape}"
                )
        return runner(**inputs)

    return call


def takes_one_row(job: Job, signature: str) -> bool:
    """Whether all inputs of a signature have a first axis of size 1."""
    name = "encode" if signature == HOST_LOOP else signature
    runner = _interpreter(job.artefact, job.threads).get_signature_runner(name)
    return all(tuple(x["shape"])[:1] == (1,) for x in runner.get_input_details().values())


@cache  # one interpreter for all signatures, as in an app
def _interpreter(path: str, threads: int) -> Interpreter:
    return Interpreter(path, num_threads=threads)


if __name__ == "__main__":
    sys.exit(
        main(
            open_artefact,
            forbidden=("keras", "keras_attention", "tensorflow"),
            takes_one_row=takes_one_row,
            watched=watched,
        )
    )
