"""Our sides: the exports of a run, as it is and with weights that never end a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from benchmarks.environments import Peer
from benchmarks.own_model import never_end
from export.files import checksum
from export.layout import with_precision
from export.pipeline import export_run
from keras_attention import RunDirectory, Seq2Seq

PRECISIONS = ("float32", "float16", "int8")
ONNX, TFLITE = "ONNX Runtime", "LiteRT"
_FILES = {ONNX: "onnx/{}.onnx", TFLITE: "tflite/model.tflite"}


def claim(work: Path, run: RunDirectory) -> None:
    """Note which model a folder is made from, as what it holds is not made again.

    Raises:
        ValueError: If the folder is made from another one.
    """
    note, model = work / "model.sha256", checksum(run.model_file) or ""
    if note.exists() and note.read_text(encoding="utf-8") != model:
        raise ValueError(f"{work} was made from another model. Choose a different --work.")
    work.mkdir(parents=True, exist_ok=True)
    note.write_text(model, encoding="utf-8")


def exported(run: Path, out: Path) -> Path:
    """Return the export of a run in all precisions, after making it unless it is there."""
    if not (out / "config.json").exists():
        print(f"Exporting {run} ...", flush=True)
        export_run(run, out, ("tflite", "onnx"), PRECISIONS[1:])
    return out


def sides(out: Path, *runtimes: str) -> dict[str, Peer]:
    """Return a side for each precision of an export in some runtimes, by default in all."""
    return {
        f"{runtime} {precision}": Peer(
            "artefacts", options=(str(out.absolute() / with_precision(file, precision)),)
        )
        for runtime, file in _FILES.items()
        if not runtimes or runtime in runtimes
        for precision in PRECISIONS
    }


def exported_endless(run: RunDirectory, work: Path) -> Path:
    """Return the export of a run whose searches take all steps, after making it likewise.

    Weights of the last layer make the end token very unlikely. Nothing else changes, neither sizes
    nor operations.

    Args:
        run: The run.
        work: The folder of the changed run and of its export.
    """
    folder, out = work / "endless", work / "exported-endless"
    if (out / "config.json").exists():
        return out
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in (run.config_file, run.source_model, run.target_model, run.held_out_file):
        shutil.copy(file, folder)
    model = run.model()
    never_end(model)
    model.save(RunDirectory(folder).model_file)
    return exported(folder, out)


def read_each_step(model: Seq2Seq) -> int:
    """Return the bytes of the weights that a step of the decoder reads, in float32.

    These are all but those of the encoder, the bridge and the keys, and of the embeddings unless
    they are also the output layer. Of other embeddings a step reads one row.
    """
    output = "target_embedding/" if model.logits is None else "logits/"
    return 4 * sum(
        int(np.prod(weight.shape))
        for weight in model.weights
        if weight.path.startswith(("decoder/", output)) and "key_kernel" not in weight.path
    )
