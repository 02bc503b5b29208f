"""Export to TFLite: one file of builtin ops that contains the whole search."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import keras

from keras_attention.cells.padding_aware import held_by_selection
from keras_attention.checks import check_one_of, check_positive
from keras_attention.export.extras import TFLITE, check_installed
from keras_attention.export.formats import FLOAT16, FLOAT32, INT8
from keras_attention.export.functions import (
    Functions,
    check_exportable,
    check_is_no_folder,
    checked_functions,
    refuse_defaults,
    refuse_dtypes,
)
from keras_attention.export.operations import ARGMAX, PYTHON, RANDOM, one_line
from keras_attention.export.quantize import int8_tflite, with_shared_buffers
from keras_attention.export.saved_model import check_size, save
from keras_attention.export.serving import ID_SIGNATURES, ServingModule
from keras_attention.export.tracing import ModelFunctions
from keras_attention.files import write
from keras_attention.types import Nest, Tensor

_BYTES = {FLOAT32: 4, FLOAT16: 2, INT8: 1}


def to_tflite(
    model: keras.Model,
    path: str | Path,
    verbose: bool = False,
    input_signature: Nest | None = None,
    *,
    functions: Functions | None = None,
    batch_size: int = 1,
    precision: str = FLOAT32,
    longest: int = 128,
) -> Path:
    """Write a Keras model as one TFLite file of builtin operations, for inputs of any length.

    The functions are signatures that share their weights. Their inputs and outputs are named as in
    `to_saved_model`. A signature runner resizes the inputs to the lengths that it is given.

    Args:
        model: A functional or subclassed model, built, on the TensorFlow backend.
        path: The file; replaced if it exists.
        verbose: Whether to print what was written.
        input_signature: As in `to_saved_model`.
        functions: As in `to_saved_model`.
        batch_size: The batch size, which TFLite fixes.
        precision: The precision of the weights: `"float32"`, `"float16"`, or `"int8"` for the
            matrices and embeddings.
        longest: The length that most inputs do not exceed. LiteRT's workspace is reserved for it
            from the first call on, see docs/litert-workspace.md.

    Returns:
        The path.

    Raises:
        ValueError: If Keras runs on another backend, the model is not built, its inputs are not
            known, or `precision` is unknown.
        IsADirectoryError: If `path` is a folder.
        ModuleNotFoundError: If packages for 8 bits are missing.
        RuntimeError: If the model needs operations that are not builtin.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import keras_attention as ka
        >>> inputs = keras.Input((None, 3), name="readings")
        >>> model = keras.Model(inputs, ka.attention.AttentionPooling(4)(inputs))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_tflite(model, f"{folder}/model.tflite", precision="int8")
        ...     path.stat().st_size > 1000
        True
    """
    check_one_of("precision", precision, tuple(_BYTES))
    if precision == INT8:
        check_installed(TFLITE, "ai_edge_quantizer", "ai_edge_litert")
    check_exportable(model, verbose)
    path = Path(path)
    check_positive("batch_size", batch_size)
    refuse_dtypes("TFLite", model, ("float16", "bfloat16"))
    given = checked_functions(model, input_signature, functions)
    refuse_defaults("TFLite", given)
    check_is_no_folder(path)
    on_strings = [name for name, function in given.items() if function.text]
    if on_strings:
        raise ValueError(
            "TFLite has no tokenizers: export a function on ids and tokenize in your application. "
            f"Received: functions={on_strings}"
        )
    held = held_by_selection() if precision == INT8 else nullcontext()
    with held, _lookups_with_shapes(model):
        exported = ModelFunctions(model, None, given, batch_size, longest, precision)
    exported.check_operations(PYTHON | RANDOM)
    with tempfile.TemporaryDirectory() as folder:
        saved = save(exported, Path(folder) / "model", exported.names)
        content = _convert(saved, exported.names, precision)
    write(path, with_shared_buffers(content) if precision == INT8 else content)
    exported.announce(path, verbose)
    return path


def export_tflite(serving: ServingModule, path: Path, precision: str = FLOAT32) -> Path:
    """Write one `.tflite` file with the signatures greedy, beam, encode and decode_step.

    The batch size is 1 and the source length variable; a signature runner resizes the input itself.
    The signatures share their weights.

    Args:
        serving: The serving module, with `batch_size=1`; for int8, of the model
            that `copy_with_int8_embeddings` returns.
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
    with tempfile.TemporaryDirectory() as folder:
        saved = save(serving, Path(folder) / "model", ID_SIGNATURES)
        content = _convert(saved, ID_SIGNATURES, precision)
    check_size(serving, f"TFLite file in {precision}", len(content), 500_000, _BYTES[precision])
    write(path, with_shared_buffers(content) if precision == INT8 else content)
    return path


@contextmanager
def _lookups_with_shapes(model: keras.Model) -> Iterator[None]:
    """Give what layers look up in tables the shape of the keys, which the converter forgets.

    LiteRT would take it for a scalar, as long as the inputs have the sizes of the file.
    """
    import tensorflow as tf

    def shaped(look_up: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda keys: tf.reshape(look_up(keys), tf.shape(keys))

    layers = (layer for layer in model._flatten_layers() if hasattr(layer, "lookup_table"))
    tables = [layer.lookup_table for layer in layers if layer.lookup_table is not None]
    try:
        for table in tables:
            table.lookup = shaped(table.lookup)
        yield
    finally:
        for table in tables:
            del table.lookup


def _convert(saved_model: Path, names: Sequence[str], precision: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=list(names)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision == FLOAT16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        content = bytes(converter.convert())
    except Exception as error:
        listed = re.search(r"^(?:Custom|Flex) ops: (.*)$", str(error), re.MULTILINE)
        met = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
        used = listed[1] if listed else ", ".join(met)
        advice = ARGMAX if "Bitwise" in used else "express it with keras.ops"
        reason = f"it uses {used}; {advice}" if used else one_line(error)
        raise RuntimeError(
            f"The model cannot be converted to builtin TFLite operations: {reason}"
        ) from error
    return int8_tflite(content) if precision == INT8 else content
