"""The artefacts to verify, and their runtimes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.layout import BROWSER, QUANTIZED, parts_of
from export.verify.inputs import SCORE, SEARCHES, answered
from keras_attention.export.checking import RUNTIMES
from keras_attention.export.formats import FLOAT32
from keras_attention.export.runtimes.runner import HOST_LOOP
from keras_attention.text.runs import RunDirectory

RUNNERS = {
    "Keras": Path(__file__).with_name("run_keras.py"),
    "TensorFlow": RUNTIMES / "run_tensorflow.py",
    "OpenVINO": RUNTIMES / "run_openvino.py",
    "LiteRT": RUNTIMES / "run_litert.py",
    "ONNX Runtime": RUNTIMES / "run_onnx.py",
    "a browser": Path(__file__).with_name("run_browser.py"),
}
"""The program for each runtime."""


@dataclass(frozen=True)
class Artefact:
    """A file or folder, and the runtime for it.

    Attributes:
        format: `saved_model`, `tflite`, `onnx`, `browser`, or `keras` for the model itself.
        file: The name, relative to `folder`.
        runtime: A key of `RUNNERS`.
        signatures: The signatures to run.
        folder: The folder that contains it.
    """

    format: str
    file: str
    runtime: str
    signatures: tuple[str, ...]
    folder: Path

    @property
    def path(self) -> Path:
        """The path of the artefact."""
        return self.folder / self.file

    @property
    def precision(self) -> str:
        """The precision of the weights."""
        return parts_of(self.file)[1] if self.format in QUANTIZED else FLOAT32


def artefacts(
    out: Path, config: Mapping[str, Any], run: Path | None, browser: bool
) -> Iterator[Artefact]:
    """Yield the artefacts to run.

    Args:
        out: The export.
        config: Its `config.json`.
        run: The run directory, to run the Keras model as well; None to omit it.
        browser: Whether to run the page.
    """
    if run is not None:
        file = RunDirectory(run).model_file
        keras = Artefact("keras", file.name, "Keras", SEARCHES, file.parent.resolve())
        yield keras
        if SCORE in answered(config):
            yield replace(keras, signatures=(SCORE,))
    on_ids = (*SEARCHES, HOST_LOOP)
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
