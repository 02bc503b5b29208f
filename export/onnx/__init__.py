"""ONNX files: `convert` writes them, the others change graphs.

`passes` moves constants out of loops and drops what is not used, `canonical` makes two exports
equal byte by byte, `quantize` stores weights in fewer bits, `text` puts tokenizers around a search.
"""
