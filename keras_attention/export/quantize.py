"""Quantize weights to 8 bits: embeddings, for all formats, and TFLite files."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from keras_attention.export.formats import INT8
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.types import Tensor

_ALIGNMENT = 16  # bytes, of buffers in a TFLite file


def copy_with_int8_embeddings(model: Seq2Seq) -> Seq2Seq:
    """Return a copy of the model with 8-bit embeddings and a scale for each token.

    No runtime's quantizer supports lookups in an 8-bit table, but Keras's embedding does. If the
    output shares the matrix of the embeddings, the copy gets a separate one with the same values.

    Args:
        model: The model; it is not changed.
    """
    twin = Seq2Seq(replace(model.config, tie_embeddings=None))
    for name in ("source_embedding", "encoder", "bridge", "decoder"):
        getattr(twin, name).set_weights(getattr(model, name).get_weights())
    twin.target_embedding.set_weights(model.target_embedding.get_weights())
    for embedding in (twin.source_embedding, twin.target_embedding):
        embedding.quantize(INT8)
    if model.logits is None:
        table, scale = twin.target_embedding.get_weights()
        rounded = table.astype("float32") / scale[:, None]
        twin.logits.set_weights([rounded.T, np.zeros(len(table), "float32")])
    else:
        twin.logits.set_weights(model.logits.get_weights())
    return twin


@contextmanager
def embeddings_traced_in_int8(model: keras.Model) -> Iterator[None]:
    """Make the embeddings of a model look up 8-bit tables with a scale for each token.

    Functions of the model that are traced inside this context keep these tables.

    Args:
        model: The model, on the TensorFlow backend; its weights are not changed.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding) and not layer.quantization_mode
    ]
    try:
        for layer in layers:
            layer.call = _in_8_bits(layer)
        yield
    finally:
        for layer in layers:
            del layer.call


def _in_8_bits(layer: keras.layers.Embedding) -> Callable[[Tensor], Tensor]:
    import tensorflow as tf

    weights = keras.ops.convert_to_tensor(layer.embeddings)
    rounded, scale = keras.quantizers.abs_max_quantize(weights, axis=-1, to_numpy=True)
    table, scales = tf.Variable(rounded), tf.Variable(keras.ops.squeeze(scale, -1))

    def call(inputs: Tensor) -> Tensor:
        found, scale = (tf.gather(x, tf.cast(inputs, "int32")) for x in (table, scales))
        return tf.cast(found, layer.compute_dtype) / tf.expand_dims(scale, -1)

    return call


def int8_tflite(content: bytes) -> bytes:
    """Quantize the matrices of a TFLite file to 8 bits.

    Each row of a matrix has a scale; the other factor is quantized to 8 bits at run time. Unlike
    with TensorFlow's converter, the signatures still share their weights.

    Args:
        content: The content of a float32 file.
    """
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("float32.tflite", "int8.tflite")]
        files[0].write_bytes(content)
        told = io.StringIO()  # sizes and progress bars
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            found = quantizer.Quantizer(str(files[0]), recipe.dynamic_wi8_afp32()).quantize()
            found.export_model(str(files[1]))
        return files[1].read_bytes()


def with_shared_buffers(content: bytes) -> bytes:
    """Store equal buffers of a TFLite file only once, such as a table that layers share.

    Args:
        content: The content of a file whose buffers follow its graphs, as `int8_tflite` returns it.
    """
    from ai_edge_litert.schema_py_generated import Model
    from ai_edge_litert.tools.flatbuffer_utils import update_packed_buffer

    head = bytearray(content)
    model = Model.GetRootAs(head)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    buffers = [buffer for buffer in buffers if buffer.Offset() > 1]
    del head[min((buffer.Offset() for buffer in buffers), default=len(head)) :]
    body = bytearray()
    places: dict[bytes, int] = {}
    for buffer in buffers:
        data = content[buffer.Offset() : buffer.Offset() + buffer.Size()]
        if data not in places:
            body += bytes(-(len(head) + len(body)) % _ALIGNMENT)
            places[data] = len(head) + len(body)
            body += data
        update_packed_buffer(buffer, offset=places[data])
    return bytes(head + body)
