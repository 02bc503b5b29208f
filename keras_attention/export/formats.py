"""What an exported file contains: the precision of its weights, and ONNX's version."""

from __future__ import annotations

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
OPSET = 18  # the highest ONNX opset that tf2onnx writes
