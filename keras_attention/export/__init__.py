"""Export to SavedModel, TFLite and ONNX, and run what was exported in its own runtime.

`functions` says what is exported: functions of named tensors over a model, or its call. `naming`
names the tensors of a nest, `tracing` traces the functions, `operations` are those that a file must
not contain, and `extras` the packages that a format needs. `search` has the functions of a model
that searches, `encoded` the tensors between their parts, `text` searches from strings to strings,
and `serving` has the functions of a run.

`saved_model` and `tflite` write files, `quantize` stores their weights in fewer bits,
`litert_workspace` estimates the memory they need in LiteRT, `onnx` has the same for ONNX, and
`browser` writes a page around them. `checking` compares a file with its model in `calls`:
`inspection` says beforehand whether it may be opened, and `runtimes` holds the programs that run it
without Keras.
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
