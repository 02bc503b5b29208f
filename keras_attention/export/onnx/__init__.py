"""Conversion to ONNX: `convert` makes a model of a search, the other modules transform graphs.

`passes` moves constants out of loops and renames outputs, `canonical` makes exports reproducible
byte by byte, `quantize` stores weights in fewer bits, and `text` adds tokenizers to a search.
"""
