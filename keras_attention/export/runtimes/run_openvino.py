"""Run the default signature of a SavedModel in OpenVINO."""

from __future__ import annotations

import sys

import numpy as np
import openvino
from runner import Arrays, Function, main  # type: ignore[import-not-found]


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open the default signature in float32; OpenVINO defaults to fewer bits."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.compile_model(openvino.convert_model(path), "CPU", settings)

    def call(source: np.ndarray) -> Arrays:
        return {key.any_name: value for key, value in compiled({"source": source}).items()}

    return call


if __name__ == "__main__":
    sys.exit(main(open_artefact, forbidden=("keras", "keras_attention", "tensorflow")))
