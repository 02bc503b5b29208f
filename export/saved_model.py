"""SavedModels in the layout of TensorFlow Serving."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_attention.text.serving import ID_SIGNATURES, TEXT_SIGNATURES, ServingModule


def export_saved_models(serving: ServingModule, out: Path, name: str) -> list[Path]:
    """Write `NAME/1`, strings in and out, and `NAME-ids/1`, ids in and out.

    Both take any batch size and source length. The first needs the ops of `tensorflow_text` where
    it is loaded, the second plain TensorFlow only.

    Args:
        serving: With tokenizers.
        out: The folder that holds both.
        name: Of the model.

    Returns:
        The folders of the two versions.

    Raises:
        RuntimeError: If what was written has not each weight exactly once.
    """
    text = save(serving, out / name / "1", TEXT_SIGNATURES, default="translate")
    ids = save(serving, out / f"{name}-ids" / "1", (*ID_SIGNATURES, "search"), default="greedy")
    return [text, ids]


def save(
    serving: ServingModule, path: Path, names: Sequence[str], default: str | None = None
) -> Path:
    """Write one SavedModel with the functions `names` as its signatures.

    Args:
        serving: The model.
        path: The folder, replaced if it exists.
        names: Of the signatures.
        default: The one that is also the `serving_default`.

    Returns:
        The path.

    Raises:
        RuntimeError: If what was written has not each weight exactly once.
    """
    import tensorflow as tf

    signatures = serving.functions(names)
    if default is not None:
        signatures["serving_default"] = signatures[default]
    shutil.rmtree(path, ignore_errors=True)
    module = serving.module(names)
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(module, str(path), signatures=signatures, options=options)
    _without_chance(path / "fingerprint.pb")
    written = sum(file.stat().st_size for file in path.glob("variables/*.data-*"))
    check_size(serving, f"SavedModel {path}", written, most_else=100_000)
    return path


def _without_chance(fingerprint: Path) -> None:
    """Make the one number that TensorFlow draws at random one that follows from the others."""
    from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

    content = FingerprintDef.FromString(fingerprint.read_bytes())
    content.ClearField("uuid")
    digest = hashlib.sha256(content.SerializeToString(deterministic=True)).digest()
    content.uuid = str(int.from_bytes(digest[:16], "big"))
    fingerprint.write_bytes(content.SerializeToString(deterministic=True))


def check_size(
    serving: ServingModule, artefact: str, written: int, most_else: int, bytes_each: int = 4
) -> None:
    """Weights saved twice, or not at all, are the two ways in which saving goes wrong silently.

    Args:
        serving: The model.
        artefact: As the error names it.
        written: Bytes of what holds the weights.
        most_else: Bytes that it may hold beside the weights.
        bytes_each: The most that a weight may take.

    Raises:
        RuntimeError: If it has not each weight exactly once.
    """
    expected = sum(
        weight.shape.num_elements() * min(weight.dtype.size, bytes_each)
        for weight in serving.weights
    )
    if not expected <= written <= expected * 1.1 + most_else:
        raise RuntimeError(
            f"The {artefact} must hold {expected} bytes of weights once. Received: {written} bytes"
        )
