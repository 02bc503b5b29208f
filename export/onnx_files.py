"""Write the ONNX files of an export, and a Triton model repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.layout import with_precision
from keras_attention.decoding import BeamSearch, GreedySearch
from keras_attention.export.formats import FLOAT32
from keras_attention.export.onnx.convert import convert, convert_score
from keras_attention.export.onnx.quantize import in_precision
from keras_attention.export.onnx.text import Text, with_text
from keras_attention.files import copy, replacing, write

if TYPE_CHECKING:
    from onnx import ModelProto

    from keras_attention.model.generation import Search
    from keras_attention.model.seq2seq import Seq2Seq


def export_onnx(
    model: Seq2Seq,
    out_dir: str | Path,
    *,
    max_length: int,
    search: BeamSearch,
    precision: str = FLOAT32,
    text: Text | None = None,
) -> list[Path]:
    """Write `onnx/greedy.onnx`, `onnx/beam.onnx` and `onnx/score.onnx`, and a Triton repository.

    In a precision other than float32 they are called `onnx/greedy.int8.onnx` and so on, and there
    is no model repository, which has the searches alone.

    Each search takes `source` (B, S) int32 and returns `ids` (B, K, T) int32, `lengths` (B, K)
    int32, `scores` (B, K) float32 and, with attention, `attention` (B, K, T, S) float32.
    `score.onnx` takes `source` and `target` (B, T) int32 and returns `log_probabilities` (B, T)
    float32. With tokenizers there is also `onnx/translate.onnx`, which takes `text` (B,) and
    returns `translation` (B, K), both strings.

    Args:
        model: The trained model, with the float32 policy; for int8, what
            `copy_with_int8_embeddings` returns.
        out_dir: The folder of all artefacts, in which `onnx/` is created.
        max_length: The maximum number of target tokens T, including the end token.
        search: The beam search of `beam.onnx`.
        precision: The precision of the weights: `"float32"`, `"float16"` or `"int8"`.
        text: The tokenizers for `translate.onnx`; None to omit this file.

    Returns:
        The files.
    """
    folder = Path(out_dir) / "onnx"
    files = []
    searches: dict[str, Search] = {"greedy": GreedySearch(), "beam": search}
    for name, used in searches.items():
        converted = in_precision(convert(model, used, max_length), precision)
        file = _write(converted, folder / with_precision(f"{name}.onnx", precision))
        if precision == FLOAT32:
            _write_for_triton(file, converted, folder / "triton" / name)
        files.append(file)
        if text is not None and text.search == name:
            translate = folder / with_precision("translate.onnx", precision)
            files.append(_write(with_text(converted, text), translate))
    scored = in_precision(convert_score(model), precision)
    return [*files, _write(scored, folder / with_precision("score.onnx", precision))]


def _write(model: ModelProto, file: Path) -> Path:
    import onnx

    with replacing(file) as fresh:
        onnx.save(model, fresh)
    return file


def _write_for_triton(file: Path, model: ModelProto, folder: Path) -> None:
    """Write Triton's layout: `<name>/1/model.onnx`, a link to the same file, and `config.pbtxt`.

    The batch is an ordinary dimension, because Triton could not join requests with sources of
    different lengths.
    """
    target = folder / "1" / "model.onnx"
    with replacing(target) as fresh:
        try:
            os.link(file, fresh)
        except OSError:  # a file system without hard links
            copy(file, fresh)
    lines = [f'name: "{folder.name}"', 'backend: "onnxruntime"', "max_batch_size: 0"]
    for kind, values in {"input": model.graph.input, "output": model.graph.output}.items():
        lines += [f"{kind} {_triton_tensor(value)}" for value in values]
    write(folder / "config.pbtxt", "\n".join(lines) + "\n")


def _triton_tensor(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    types = {onnx.TensorProto.INT32: "TYPE_INT32", onnx.TensorProto.FLOAT: "TYPE_FP32"}
    sizes = ", ".join(str(dim.dim_value or -1) for dim in tensor.shape.dim)
    return f'[ {{ name: "{value.name}" data_type: {types[tensor.elem_type]} dims: [ {sizes} ] }} ]'
