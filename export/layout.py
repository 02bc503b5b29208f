"""The output folder of an export: check whether it can be used, and clear an earlier export."""

from __future__ import annotations

import re
from pathlib import Path

from programs.library import stored, without_keras

FORMATS = ("saved_model", "tflite", "onnx")
QUANTIZED = ("tflite", "onnx")  # formats that are also written in other precisions
FLOAT32 = "float32"  # as the library calls it, whose import `--help` must not wait for
PRECISIONS = ("float16", "int8")
BROWSER, MLSERVER = "browser", "mlserver"  # a page and a server that use the ONNX files
PROJECT = "keras-seq2seq-attention"
UNFINISHED = ".unfinished"
_VERIFIED = ".verified"  # make's stamp
_OF_THE_EARLIER = ("config.json", "verification.json", _VERIFIED, "attention.png")
_LABEL = 50  # of a cluster's 63 characters: KServe appends some
_OTHERS = ("source.model", "target.model", "examples.json", "reference.npz", "README.md")


def check_places(run: Path, out: Path) -> None:
    """Raise an error if an export must not be written to `out`; changes nothing.

    Args:
        run: The run directory.
        out: The output folder; must be missing, empty, an export or an unfinished export.

    Raises:
        ValueError: If one folder is the same as the other or inside it.
        NotADirectoryError: If `out` is a file.
        FileExistsError: If `out` contains anything other than an export.
    """
    if _contains(run, out) or _contains(out, run):
        raise ValueError(
            "OUT must not be the run directory, inside it, or a parent of it. "
            f"Received: run={str(run)!r}, out={str(out)!r}"
        )
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is not a directory. Choose a different name.")
    if out.is_dir() and not _is_replaceable(out):
        raise FileExistsError(
            f"{out} is neither empty nor an earlier export: it has no config.json of an export. "
            "Choose a different folder, or empty this one."
        )


def make_room(out: Path) -> None:
    """Delete the files of an earlier export, and mark the folder as unfinished.

    Args:
        out: A folder that has passed `check_places`.
    """
    files = without_keras("files")
    out.mkdir(parents=True, exist_ok=True)
    marker = out / UNFINISHED
    if marker.is_symlink():
        marker.unlink()
    marker.touch()
    for name in (*_OF_THE_EARLIER, *FORMATS, BROWSER, MLSERVER):
        files.remove(out / name)
    for path in files.remains(out, (*_OF_THE_EARLIER, *_OTHERS, BROWSER, MLSERVER)):
        files.remove(path)


def with_precision(file: str, precision: str) -> str:
    """Return the name of a file with weights of this precision, such as `model.int8.tflite`."""
    name, ending = file.rsplit(".", 1)
    return file if precision == FLOAT32 else f"{name}.{precision}.{ending}"


def parts_of(file: str) -> tuple[str, str]:
    """Split the name of a file into its first part and its precision."""
    name, *precision = Path(file).name.split(".")[:-1]
    return name, precision[0] if precision else FLOAT32


def label_of(name: str) -> str:
    """Return the name of a model as a cluster allows it: letters, digits and hyphens."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if plain[:1].isalpha() else f"model-{plain}"
    return plain[:_LABEL].strip("-")


def _is_export(folder: Path) -> bool:
    """Return whether a folder contains the `config.json` of an export, judging by its keys."""
    try:
        config = stored().parsed(folder / "config.json")
    except (OSError, ValueError):
        return False
    versions = config.get("versions") if isinstance(config, dict) else None
    return isinstance(versions, dict) and PROJECT in versions and "artefacts" in config


def _is_replaceable(out: Path) -> bool:
    names = {path.name for path in out.iterdir()}
    return names <= {_VERIFIED} or UNFINISHED in names or _is_export(out)


def _contains(folder: Path, other: Path) -> bool:
    return other.resolve().is_relative_to(folder.resolve())
