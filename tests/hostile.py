"""Files as somebody with other intentions would send them: running one leaves a file behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")


def in_a_signature(x: Any, written: str) -> Any:
    tf.io.write_file(written, "evil")
    return tf.identity(x)


def in_a_nested_function(x: Any, written: str) -> Any:
    @tf.function
    def inner(x: Any) -> Any:
        return in_a_signature(x, written)

    @tf.function
    def outer(x: Any) -> Any:
        return tf.cond(tf.reduce_any(x > 0), lambda: inner(x), lambda: inner(-x))

    return outer(x)


def in_a_loop(x: Any, written: str) -> Any:
    def body(i: Any, x: Any) -> Any:
        return i + 1, in_a_signature(x, written)

    return tf.while_loop(lambda i, x: i < 1, body, (0, x))[1]


def in_an_initializer(x: Any, written: str) -> Any:
    return tf.identity(x)


_Base: Any = tf.saved_model.experimental.TrackableResource


class _Resource(_Base):
    """What TensorFlow makes when it loads the file, before anything is called."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.written = written

    def _create_resource(self) -> Any:
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

    def _initialize(self) -> None:
        tf.io.write_file(self.written, "evil")


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "signature": in_a_signature,
    "nested function": in_a_nested_function,
    "loop": in_a_loop,
    "initializer": in_an_initializer,
}


def saved_model(way: str, path: Path, written: Path, spec: Any, *names: str) -> Path:
    """Write a SavedModel that writes a file when it is loaded or a signature is called.

    Args:
        way: Where the operation is: a key of `WAYS`.
        path: The folder.
        written: The file.
        spec: A `tf.TensorSpec` of the only input.
        names: The names of the signatures.
    """
    module = tf.Module()
    module.weight = tf.Variable([0.0])
    if way == "initializer":
        module.resource = _Resource(str(written))

    @tf.function(input_signature=[spec])
    def call(x: Any) -> Any:
        return {"ids": WAYS[way](x, str(written))}

    traced = call.get_concrete_function()
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(names, traced))
    written.unlink(missing_ok=True)  # tracing may have made a resource
    return path


def opened(path: Path, name: str, x: Any) -> None:
    """Open a SavedModel and call a signature, without any inspection."""
    tf.saved_model.load(str(path)).signatures[name](tf.constant(x))
