"""Run an ONNX file in ONNX Runtime."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
from runner import Arrays, Function, main  # type: ignore[import-not-found]

_ERRORS_ONLY = 3


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open the function in an ONNX file; only `translate` takes strings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    if signature == "translate":
        import onnxruntime_extensions

        options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def call(**inputs: np.ndarray) -> Arrays:
        return dict(zip(names, session.run(names, inputs), strict=True))

    def translate(text: np.ndarray) -> Arrays:
        found = dict(zip(names, session.run(names, {"text": text.astype(object)}), strict=True))
        return {"text": found.pop("translation").astype(str), **found}

    return translate if signature == "translate" else call


if __name__ == "__main__":
    sys.exit(main(open_artefact, forbidden=("keras", "keras_attention", "tensorflow")))
