"""What a verification runs, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.layout import BROWSER, FLOAT32, QUANTIZED, parts_of
from export.verify.runner import HOST_LOOP
from keras_attention.text.runs import RunDirectory

RUNNERS = {
    "Keras": "run_keras",
    "TensorFlow": "run_tensorflow",
    "OpenVINO": "run_openvino",
    "LiteRT": "run_litert",
    "ONNX Runtime": "run_onnx",
    "a browser": "run_browser",
}
"""The module of each runtime, in `export.verify`."""


@dataclass(frozen=True)
class Artefact:
    """A file or folder, and where it runs.

    Attributes:
        format: `saved_model`, `tflite`, `onnx`, `browser`, or `keras` for the model itself.
        file: Its name, relative to the folder.
        runtime: Of `RUNNERS`.
        signatures: What is asked of it.
        folder: In which it lies.
    """

    format: str
    file: str
    runtime: str
    signatures: tuple[str, ...]
    folder: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.file

    @property
    def precision(self) -> str:
        """Of its weights."""
        return parts_of(self.file)[1] if self.format in QUANTIZED else FLOAT32


def artefacts(
    out: Path, config: Mapping[str, Any], run: Path | None, browser: bool
) -> Iterator[Artefact]:
    """All that is to be run.

    Args:
        out: The export.
        config: Its `config.json`.
        run: The run directory, for the Keras model itself.
        browser: Whether to run the page.
    """
    if run is not None:
        file = RunDirectory(run).model_file
        yield Artefact("keras", file.name, "Keras", ("greedy", "beam"), file.parent.resolve())
    on_ids = ("greedy", "beam", HOST_LOOP)
    for kind, files in config["artefacts"].items():
        for file in files:
            if kind == "onnx":
                yield Artefact(kind, file, "ONNX Runtime", parts_of(file)[:1], out)
            elif kind == "tflite":
                yield Artefact(kind, file, "LiteRT", on_ids, out)
            elif file.endswith("-ids/1"):
                yield Artefact(kind, file, "TensorFlow", on_ids, out)
                yield Artefact(kind, file, "OpenVINO", ("greedy",), out)
            else:
                yield Artefact(kind, file, "TensorFlow", ("translate",), out)
    if browser:
        yield Artefact(BROWSER, BROWSER, "a browser", ("translate",), out)
