"""TFLite: one file of builtin ops, the whole search inside."""

from __future__ import annotations

import tempfile
from pathlib import Path

from export.saved_model import check_size, save
from keras_attention.serving import ID_SIGNATURES, ServingModule


def export_tflite(serving: ServingModule, path: Path) -> Path:
    """Write one `.tflite` file with the signatures greedy, beam, encode and decode_step.

    The batch is 1, the source length is any: a signature runner resizes the input itself. The
    signatures share their weights.

    Args:
        serving: With `batch_size=1`.
        path: The file.

    Returns:
        The path.

    Raises:
        ValueError: If `serving` has another batch size.
        RuntimeError: If the model needs other than builtin ops, or has not its weights once.
    """
    if serving.batch_size != 1:
        raise ValueError(
            "TFLite takes one source at a time: argument `serving` must have batch_size=1. "
            f"Received: batch_size={serving.batch_size}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        content = _convert(save(serving, Path(folder) / "model", ID_SIGNATURES))
    check_size(serving, "TFLite file", len(content), most_else=500_000)
    path.write_bytes(content)
    return path


def _convert(saved_model: Path) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=list(ID_SIGNATURES)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return bytes(converter.convert())
    except Exception as error:
        raise RuntimeError(f"The model does not convert to builtin TFLite ops: {error}") from error
