"""Inspect a TFLite file: operations of other libraries, and weights in other files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from keras_attention.export.inspection import Refused, content_of, reading

_DAMAGED = (struct.error, IndexError, OverflowError, TypeError, ValueError)
_LENGTHS = ("ExternalBuffersLength", "ExternalBufferGroupsLength")  # older LiteRT has none


def inspect_tflite(file: Path) -> None:
    """Raise `Refused` if a TFLite file needs more than LiteRT's own operations and the file."""
    from ai_edge_litert import schema_py_generated as schema

    with reading(*_DAMAGED):
        content = content_of(file)
        if not schema.Model.ModelBufferHasIdentifier(content, 0):
            raise Refused("is no TFLite file")
        model = schema.Model.GetRootAs(content)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        custom = [name for name in map(_custom, codes) if name is not None]
        is_elsewhere = any(getattr(model, length, lambda: 0)() for length in _LENGTHS)
    if custom:
        raise Refused(f"holds the operation {custom[0][:60]!a}, which is none of LiteRT's own")
    if is_elsewhere:
        raise Refused("reads weights from other files")


def _custom(code: Any) -> str | None:
    """The name of an operation that is not LiteRT's own; None of another."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    name = code.CustomCode()
    numbers = (code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if name is None and BuiltinOperator.CUSTOM not in numbers:
        return None
    return (name or b"").decode("utf-8", "replace")
