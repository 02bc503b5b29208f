"""Write SavedModels that hold raw variables and traced functions alone."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_attention.text.serving import ServingModule


def save(
    serving: ServingModule, path: Path, names: Sequence[str], default: str | None = None
) -> Path:
    """Write one SavedModel with the functions `names` as its signatures.

    Args:
        serving: The serving module.
        path: The folder; replaced if it exists.
        names: The names of the signatures.
        default: The signature that is also the `serving_default`.

    Returns:
        The path.

    Raises:
        RuntimeError: If the SavedModel does not contain each weight exactly once.
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
    """Replace the random id that TensorFlow writes by a hash of the other fields."""
    from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

    content = FingerprintDef.FromString(fingerprint.read_bytes())
    content.ClearField("uuid")
    digest = hashlib.sha256(content.SerializeToString(deterministic=True)).digest()
    content.uuid = str(int.from_bytes(digest[:16], "big"))
    fingerprint.write_bytes(content.SerializeToString(deterministic=True))


def check_size(
    serving: ServingModule, artefact: str, written: int, most_else: int, bytes_each: int = 4
) -> None:
    """Check the size of an artefact: saving can silently omit or duplicate weights.

    Args:
        serving: The serving module.
        artefact: The artefact, for the error message.
        written: The size in bytes of what contains the weights.
        most_else: The maximum number of bytes besides the weights.
        bytes_each: The maximum number of bytes per weight.

    Raises:
        RuntimeError: If the artefact cannot contain each weight exactly once.
    """
    expected = sum(
        weight.shape.num_elements() * min(weight.dtype.size, bytes_each)
        for weight in serving.weights
    )
    if not expected <= written <= expected * 1.1 + most_else:
        raise RuntimeError(
            f"The {artefact} must contain each weight once, {expected} bytes in total. "
            f"Received: {written} bytes"
        )
