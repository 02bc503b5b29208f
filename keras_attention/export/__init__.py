"""Export to SavedModel, TFLite and ONNX, and run what was exported in its own runtime.

`functions` traces any Keras model, `search` has the functions of a model that searches, and
`serving` those of a run, which also take strings. `saved_model` and `tflite` write files,
`quantize` stores their weights in fewer bits, `litert_workspace` estimates the memory they need in
LiteRT, and `onnx` has the same for ONNX. `browser` writes a page around
them. `checking` compares a file with its model, and `runtimes`
holds the programs that run a file without Keras.
"""

from __future__ import annotations

from keras_attention.export.browser.write import to_page
from keras_attention.export.checking import Difference, check
from keras_attention.export.functions import Function
from keras_attention.export.onnx.write import to_onnx
from keras_attention.export.saved_model import to_saved_model
from keras_attention.export.search import search_functions
from keras_attention.export.tflite import to_tflite

__all__ = [
    "Difference",
    "Function",
    "check",
    "search_functions",
    "to_onnx",
    "to_page",
    "to_saved_model",
    "to_tflite",
]
