"""Run a SavedModel in TensorFlow."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
import tensorflow as tf
from runner import Arrays, Function, check_has, main  # type: ignore[import-not-found]


@functools.cache
def _load(path: str, threads: int) -> Any:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf.saved_model.load(path)


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open a signature of a SavedModel; it takes and returns strings as `str`."""
    if signature.startswith("translate"):
        import tensorflow_text  # noqa: F401  (registers its ops)
    signatures = _load(path, threads).signatures
    check_has(signature, list(signatures))
    function = signatures[signature]

    def call(**inputs: np.ndarray) -> Arrays:
        tensors = {name: tf.constant(_encoded(x)) for name, x in inputs.items()}
        return {name: _decoded(x.numpy()) for name, x in function(**tensors).items()}

    return call


def _encoded(x: np.ndarray) -> Any:
    return x.tolist() if x.dtype.kind == "U" else x


def _decoded(x: np.ndarray) -> np.ndarray:
    """Decode TensorFlow's bytes and bfloat16, into an array that can be saved without pickling."""
    if x.dtype.name == "bfloat16":
        return x.astype("float32")
    if x.dtype.kind != "O":
        return x
    texts = [text.decode("utf-8") for text in x.ravel()]
    return np.array(texts, dtype=str).reshape(x.shape)


if __name__ == "__main__":
    sys.exit(main(open_artefact, forbidden=("keras_attention",)))
