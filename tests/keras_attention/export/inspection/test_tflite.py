"""What a TFLite file may need beside itself and LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_attention.export.inspection import Refused
from keras_attention.export.inspection.tflite import inspect_tflite


def written(path: Path, *codes: tuple[int, int, bytes | None], groups: tuple = ()) -> Path:
    """Write a file with operations: their number, their old number, the name of a custom one."""
    model: Any = schema.ModelT()
    model.version, model.subgraphs, model.buffers = 3, [], []
    model.operatorCodes = []
    for number, old, name in codes:
        code: Any = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode = number, old, name
        model.operatorCodes.append(code)
    if groups:
        model.externalBufferGroups = []
        for name in groups:
            group: Any = schema.ExternalBufferGroupT()
            group.name = name
            model.externalBufferGroups.append(group)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


ADD, CUSTOM = schema.BuiltinOperator.ADD, schema.BuiltinOperator.CUSTOM


def test_operations_of_litert(tmp_path: Path) -> None:
    while_ = schema.BuiltinOperator.WHILE
    inspect_tflite(written(tmp_path / "model.tflite", (ADD, ADD, None), (while_, while_, None)))


@pytest.mark.parametrize(
    "code",
    [
        (CUSTOM, CUSTOM, b"FlexWriteFile"),
        (CUSTOM, 0, b"FlexWriteFile"),
        (0, CUSTOM, b"FlexWriteFile"),
        (ADD, ADD, b"FlexWriteFile"),
    ],
)
def test_operations_of_others(code: tuple[int, int, bytes], tmp_path: Path) -> None:
    file = written(tmp_path / "model.tflite", (ADD, ADD, None), code)
    with pytest.raises(Refused, match=r"the operation 'FlexWriteFile', which is none of LiteRT's"):
        inspect_tflite(file)
    with pytest.raises(Refused, match=r"the operation '', which is none of LiteRT's"):
        inspect_tflite(written(file, (CUSTOM, CUSTOM, None)))


@pytest.mark.skipif(not hasattr(schema, "ExternalBufferGroupT"), reason="LiteRT has no such files")
def test_weights_in_other_files(tmp_path: Path) -> None:
    file = written(tmp_path / "model.tflite", (ADD, ADD, None), groups=("/etc/passwd",))
    with pytest.raises(Refused, match="it reads weights from other files"):
        inspect_tflite(file)


def test_damaged_files(tmp_path: Path) -> None:
    file = written(tmp_path / "model.tflite", *[(ADD, ADD, None)] * 50)
    whole = file.read_bytes()
    for content, message in (
        (b"a shopping list", "it is no TFLite file"),
        (b"", "it is (damaged|no TFLite file)"),
        (whole[:12], "it is damaged, or of another format: "),
        (b"\xff\xff\xff\x7f" + whole[4:], "it is damaged, or of another format: "),
        (whole[:-40], "it is damaged, or of another format: "),
    ):
        file.write_bytes(content)
        with pytest.raises(Refused, match=message) as caught:
            inspect_tflite(file)
        assert "\n" not in str(caught.value)
