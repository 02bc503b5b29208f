"""The inspection before each program that opens a file in its runtime."""

from __future__ import annotations

from pathlib import Path

from keras_attention.export.inspection.onnx import inspect_onnx
from keras_attention.export.inspection.saved_model import inspect_saved_model
from keras_attention.export.inspection.tflite import inspect_tflite


def inspect_before(program: Path, file: Path, of_runs: bool = False) -> None:
    """Raise `Refused` if a program must not open a file; see the inspection of its format.

    The program decides which inspection it is, because it decides how the file is read.

    Args:
        program: One of `export.runtimes`; others open no file of these formats.
        file: The file or folder.
        of_runs: Whether the file must hold the operations of exports of runs alone.
    """
    match program.name:
        case "run_tensorflow.py" | "run_openvino.py":
            inspect_saved_model(file, of_runs)
        case "run_onnx.py":
            inspect_onnx(file)
        case "run_litert.py" | "grow_litert.py":
            inspect_tflite(file)
