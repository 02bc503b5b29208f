"""An exported file of this project in its runtime, LiteRT or ONNX Runtime, without Keras.

Takes the file; `{}` in its name stands for the search.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.worker import Run, Sentences, Translate, serve, threads_of, translate
from benchmarks.workloads import END, Case

if Path(sys.argv[2]).suffix == ".onnx":
    import onnxruntime

    VERSIONS = f"ONNX Runtime {onnxruntime.__version__}"
else:
    import importlib.metadata

    from ai_edge_litert.interpreter import Interpreter

    VERSIONS = f"LiteRT {importlib.metadata.version('ai-edge-litert')}"

Found = dict[str, np.ndarray]
_FIRST = 4


def load(case: Case) -> Callable[[np.ndarray], Found]:
    """Return a function from padded sources (B, S) to the outputs of the search."""
    file, threads = sys.argv[2].format(case.task), threads_of(case)
    if file.endswith(".onnx"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda source: dict(zip(names, session.run(names, {"source": source}), strict=True))
    if case.batch != 1:
        raise ValueError("TFLite files take one sentence at a time.")
    interpreter = Interpreter(file, num_threads=threads)
    runner = interpreter.get_signature_runner(case.task)
    return lambda source: runner(source=source)


def prepare(case: Case) -> Run:
    """Prepare a search with weights that never end."""
    searched = load(case)
    random = np.random.default_rng(0)
    sources = random.integers(_FIRST, case.vocabulary, (case.batch, case.length), "int32")
    sources[:, -1] = END

    def run() -> None:
        written = set(searched(sources)["lengths"].ravel().tolist())
        if written != {case.steps}:
            raise RuntimeError(f"Expected {case.steps} tokens. Received: {written}")

    return run


def translating(case: Case) -> Translate:
    """Return a function from the ids of sources to those of targets."""
    searched = load(case)

    def run(sources: Sentences) -> Sentences:
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
        targets: Sentences = [[] for _ in sources]
        for begin in range(0, len(order), case.batch):
            some = order[begin : begin + case.batch]
            found = searched(padded([sources[i] for i in some]))
            for i, ids, lengths in zip(some, found["ids"], found["lengths"], strict=True):
                targets[i] = ids[0, : lengths[0]].tolist()
        return targets

    return run


def padded(sources: Sentences) -> np.ndarray:
    """Return sources with the end token, padded with 0: (B, S)."""
    rows = [[*ids, END] for ids in sources]
    longest = max(map(len, rows))
    return np.array([row + [0] * (longest - len(row)) for row in rows], "int32")


if __name__ == "__main__":
    if "--translate" in sys.argv:
        translate(translating)
    else:
        serve(prepare, VERSIONS)
