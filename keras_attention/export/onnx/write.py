"""Write any Keras model as ONNX files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_attention.checks import check_one_of
from keras_attention.decoding.loop import rows_may_leave
from keras_attention.export.extras import ONNX, check_installed
from keras_attention.export.formats import FLOAT16, FLOAT32, INT8
from keras_attention.export.functions import (
    CALL,
    Function,
    Functions,
    OfText,
    check_exportable,
    check_is_no_folder,
    checked_functions,
    refuse_defaults,
    refuse_dtypes,
)
from keras_attention.export.operations import ARGMAX, PYTHON, RANDOM, STATE, one_line
from keras_attention.export.tracing import ModelFunctions
from keras_attention.files import replacing
from keras_attention.types import Nest

if TYPE_CHECKING:
    from onnx import ModelProto


def to_onnx(
    model: keras.Model,
    path: str | Path,
    verbose: bool = False,
    input_signature: Nest | None = None,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
    precision: str = FLOAT32,
) -> Path:
    """Write a Keras model as an ONNX file, for inputs of any batch size and length.

    Inputs and outputs are named as in `to_saved_model`; the unknown sizes are named `batch` and,
    for example, `source_1` for the second axis of `source`.

    Args:
        model: A functional or subclassed model, built, on the TensorFlow backend.
        path: The file; replaced if it exists. With `functions` a folder, where each becomes
            `NAME.onnx`, because an ONNX file contains one function. The folder must not contain
            ONNX files of other functions; all else in it stays.
        verbose: Whether to print what was written.
        input_signature: As in `to_saved_model`.
        functions: As in `to_saved_model`.
        batch_size: The batch size where it is unknown; None to leave it open.
        precision: The precision of the weights: `"float32"`, `"float16"`, or `"int8"` for
            matrices, whose products are then computed in 8 bits, and embeddings.

    Returns:
        The path.

    Raises:
        ValueError: If Keras runs on another backend, the model is not built, its inputs are not
            known, or `precision` is unknown.
        IsADirectoryError: If `path` is a folder, without `functions`.
        NotADirectoryError: If `path` is a file, with `functions`.
        FileExistsError: If the folder contains ONNX files of other functions.
        ModuleNotFoundError: If packages for ONNX are missing.
        RuntimeError: If the model cannot be converted.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import keras_attention as ka
        >>> inputs = keras.Input((None, 3), name="readings")
        >>> model = keras.Model(inputs, ka.attention.AttentionPooling(4)(inputs))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_onnx(model, f"{folder}/model.onnx")
        ...     path.stat().st_size > 500
        True
    """
    check_one_of("precision", precision, (FLOAT32, FLOAT16, INT8))
    check_installed(ONNX, "onnx", "tf2onnx", *(["onnxruntime"] if precision == INT8 else []))
    check_exportable(model, verbose)
    path = Path(path)
    refuse_dtypes("ONNX Runtime", model, ["bfloat16"])
    given = checked_functions(model, input_signature, functions)
    refuse_defaults("ONNX", given)
    if functions is None:
        check_is_no_folder(path)
        files = {CALL: path}
    else:
        files = {name: path / f"{name}.onnx" for name in given}
        _check_folder(path, [file.name for file in files.values()])
    exported = write_onnx(model, given, files, batch_size, precision)
    exported.announce(path, verbose)
    return path


def _check_folder(path: Path, names: Sequence[str]) -> None:
    """Raise an error if a folder cannot take these files and no others."""
    if path.is_file():
        raise NotADirectoryError(
            "Argument `path` must be a folder, where each of the `functions` becomes a file. "
            f"Received: file {path}"
        )
    others = sorted({file.name for file in path.glob("*.onnx")} - set(names))
    if others:
        raise FileExistsError(
            "Argument `path` must be a folder without ONNX files of other functions, which may be "
            f"of another model. Received: {path} with {others}"
        )


def write_onnx(
    model: keras.Model,
    given: Mapping[str, Function],
    files: Mapping[str, Path],
    batch_size: int | None = None,
    precision: str = FLOAT32,
) -> ModelFunctions:
    """Write functions as ONNX files.

    Args:
        model: The model.
        given: The functions by name.
        files: The file of each; replaced if it exists.
        batch_size: The batch size where it is unknown; None to leave it open.
        precision: The precision of the weights.

    Returns:
        The traced functions.
    """
    import onnx

    texts = {name: function.text for name, function in given.items()}
    on_ids = {name: one.text.on_ids if one.text else one for name, one in given.items()}
    with rows_may_leave():
        exported = ModelFunctions(model, None, on_ids, batch_size, precision=precision)
    exported.check_operations(PYTHON | RANDOM | STATE)
    converted = {
        name: _converted(exported, name, precision, texts[name]) for name in exported.names
    }
    for name, content in converted.items():
        with replacing(files[name]) as fresh:
            onnx.save(content, fresh)
    return exported


def _converted(
    exported: ModelFunctions, name: str, precision: str, text: OfText | None
) -> ModelProto:
    import onnx
    import tensorflow as tf

    from keras_attention.export.onnx.convert import convert_function
    from keras_attention.export.onnx.passes import name_dimensions, op_types
    from keras_attention.export.onnx.quantize import in_precision
    from keras_attention.export.onnx.text import Text, with_text

    specs = exported.specs[name]
    traced = exported.functions([name])[name]
    same = sorted(set(specs) & set(traced.structured_outputs))
    if same:
        raise ValueError(
            "ONNX needs different names for inputs and outputs; name the input otherwise, for "
            f"example keras.InputSpec(..., name='source_ids'). Received: {same} for both"
        )

    @tf.function(autograph=False)
    def function(*tensors: Any) -> dict[str, Any]:
        outputs = traced(**dict(zip(specs, tensors, strict=True)))
        return {key: tf.identity(x, key) for key, x in outputs.items()}

    try:
        converted = convert_function(function, list(specs.values()), name)
    except Exception as error:
        raise RuntimeError(f"The model cannot be converted to ONNX: {one_line(error)}") from error
    unknown = [name for name in op_types(converted.graph) if not onnx.defs.has(name)]
    if unknown:
        advice = ARGMAX if "Bitcast" in unknown else "express it with keras.ops"
        raise RuntimeError(
            "The model cannot be converted to ONNX, which has no operation for TensorFlow's "
            f"{', '.join(unknown)}; {advice}"
        )
    for value in (*converted.graph.input, *converted.graph.output):
        open_ones = {
            i: "batch" if i == 0 else f"{value.name}_{i}"
            for i, dim in enumerate(value.type.tensor_type.shape.dim)
            if not dim.HasField("dim_value")
        }
        name_dimensions(value, open_ones)
    onnx.checker.check_model(converted)
    converted = in_precision(converted, precision)
    if text is None:
        return converted
    source, target = (tokenizer.model for tokenizer in text.tokenizers)
    longest = text.max_source_length or sys.maxsize
    return with_text(converted, Text(source, target, longest))
