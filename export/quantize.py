"""Weights in 8 bits: embeddings, for every format, and TFLite files."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.layout import INT8
from keras_attention.seq2seq import Seq2Seq


def with_int8_embeddings(model: Seq2Seq) -> Seq2Seq:
    """The same model, its embeddings in 8 bits, with a scale for each token.

    No runtime's quantizer knows how to look up a row of a table in 8 bits; Keras's own embedding
    does. Where the output shares the embeddings' matrix, it gets its own, which is a product's.

    Args:
        model: Stays as it is.
    """
    twin = Seq2Seq(replace(model.config, tie_embeddings=None))
    for name in ("source_embedding", "encoder", "bridge", "decoder"):
        getattr(twin, name).set_weights(getattr(model, name).get_weights())
    table = model.target_embedding.get_weights()[0]
    twin.target_embedding.set_weights([table])
    if model.logits is None:
        twin.logits.set_weights([table.T, np.zeros(len(table), "float32")])
    else:
        twin.logits.set_weights(model.logits.get_weights())
    for embedding in (twin.source_embedding, twin.target_embedding):
        embedding.quantize(INT8)
    return twin


def int8_tflite(content: bytes) -> bytes:
    """A TFLite file with the matrices of products in 8 bits.

    Each row of a matrix has a scale; what is multiplied by it is rounded to 8 bits as it comes.
    The signatures still share their weights, which TensorFlow's converter does not manage.

    Args:
        content: Of the file in float32.
    """
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("float32.tflite", "int8.tflite")]
        files[0].write_bytes(content)
        told = io.StringIO()  # sizes and bars of progress
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            found = quantizer.Quantizer(str(files[0]), recipe.dynamic_wi8_afp32()).quantize()
            found.export_model(str(files[1]))
        return files[1].read_bytes()
