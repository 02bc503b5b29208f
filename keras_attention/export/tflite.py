"""Export to TFLite: one file of builtin ops that contains the whole search."""

from __future__ import annotations

import tempfile
from pathlib import Path

from keras_attention.export.formats import FLOAT16, FLOAT32, INT8
from keras_attention.export.quantize import int8_tflite, with_shared_buffers
from keras_attention.export.saved_model import check_size, save
from keras_attention.text.serving import ID_SIGNATURES, ServingModule

_BYTES = {FLOAT32: 4, FLOAT16: 2, INT8: 1}


def export_tflite(serving: ServingModule, path: Path, precision: str = FLOAT32) -> Path:
    """Write one `.tflite` file with the signatures greedy, beam, encode and decode_step.

    The batch size is 1 and the source length variable; a signature runner resizes the input itself.
    The signatures share their weights.

    Args:
        serving: The serving module, with `batch_size=1`; for int8, of a model
            `with_int8_embeddings`.
        path: The file.
        precision: The precision of the weights: `"float32"`, `"float16"` or `"int8"`.

    Returns:
        The path.

    Raises:
        ValueError: If `serving` has another batch size.
        RuntimeError: If the model needs ops that are not builtin, or the file does not contain each
            weight exactly once.
    """
    if serving.batch_size != 1:
        raise ValueError(
            "Argument `serving` must have batch_size=1, because TFLite takes one source at a time. "
            f"Received: batch_size={serving.batch_size}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        content = _convert(save(serving, Path(folder) / "model", ID_SIGNATURES), precision)
    check_size(serving, f"TFLite file in {precision}", len(content), 500_000, _BYTES[precision])
    path.write_bytes(with_shared_buffers(content) if precision == INT8 else content)
    return path


def _convert(saved_model: Path, precision: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=list(ID_SIGNATURES)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision == FLOAT16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        content = bytes(converter.convert())
    except Exception as error:
        raise RuntimeError(
            f"The model cannot be converted to builtin TFLite ops: {error}"
        ) from error
    return int8_tflite(content) if precision == INT8 else content
