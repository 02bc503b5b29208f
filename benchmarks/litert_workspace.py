"""Reproduce a bug of XNNPACK in LiteRT and TensorFlow Lite: a missing copy if a WHILE input grows.

    python litert_workspace.py [interpreters]      requires tensorflow (to convert) and
    ai-edge-litert

New interpreters run sources of 1, 5 and 9 rows. Each output is compared with that of an interpreter
without XNNPACK. The test is repeated with a workaround: the graph starts with a loop that never
runs, but whose body makes XNNPACK's workspace so large that it never grows. See
docs/litert-workspace.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = (1, 5, 9)
_SIZE, _WIDTH, _ROWS = 28, 64, 8


def convert(path: Path, reserve: Callable[[Any], Any] | None = None) -> None:
    """Write a `.tflite` file with a loop in which XNNPACK runs two partitions, P and Q.

    P consists of the products of the state and a RESHAPE, Q of two sums, a TANH and a mean. They
    are separated by REVERSE_V2, which XNNPACK does not support. The workspace of Q grows with the
    source, that of P does not.

    Args:
        path: The file.
        reserve: A function to apply to the length of the source first; None for no workaround.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    sizes = ((_SIZE, _SIZE), (_SIZE, _WIDTH), (_WIDTH, _SIZE))
    a, b, c = (tf.constant(rng.normal(size=s) / s[0] ** 0.5, tf.float32) for s in sizes)

    @tf.function(input_signature=[tf.TensorSpec((None, _SIZE), name="source")], autograph=False)
    def attend(source: Any) -> dict[str, Any]:
        if reserve is not None:
            source = source[: reserve(tf.shape(source)[0])]

        def body(step: Any, state: Any, rows: Any) -> tuple[Any, Any, Any]:
            query = tf.reverse(tf.reshape(tf.matmul(state, a), (_SIZE,)), [0])
            query += tf.reverse(tf.matmul(tf.tanh(tf.matmul(state, b)), c), [1])
            state = tf.reduce_mean(tf.tanh(query + source), axis=0, keepdims=True)
            return step + 1, state, tf.where(tf.reverse(state, [1])[0, 0] > 9.0, -1.0, rows)

        start = (0, tf.ones((1, _SIZE)), tf.zeros((_ROWS, tf.shape(source)[0])))
        shapes = tuple(tf.TensorShape(s) for s in ((), (1, _SIZE), (_ROWS, None)))
        _, state, rows = tf.while_loop(lambda step, *_: step < 2, body, start, shapes)
        return {"state": state, "rows": rows}

    module = tf.Module()
    module.attend = attend
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"attend": attend})
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def reserve(length: Any) -> Any:
    """The workaround: a loop that never runs, but is prepared first and needs the most memory."""
    import tensorflow as tf

    column = tf.zeros((256 * tf.maximum(length, max(LENGTHS)), 1))

    def body(_: Any, zero: Any) -> tuple[bool, Any]:
        return False, tf.matmul(column + tf.fill((1, 64), zero), tf.ones((64, 1)))[0, 0]

    _, zero = tf.while_loop(lambda runs, _: runs, body, (length < 0, 0.0))
    return length + tf.cast(zero, tf.int32)


def wrong_calls(path: Path, interpreters: int) -> dict[int, int]:
    """Count the wrong outputs of new interpreters by source length."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    without = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    file = str(path)
    plain = Interpreter(file, experimental_op_resolver_type=without).get_signature_runner()
    rng = np.random.default_rng(0)
    wrong = dict.fromkeys(LENGTHS, 0)
    for _ in range(interpreters):
        runner = Interpreter(file, num_threads=1).get_signature_runner()
        for length in LENGTHS:
            source = rng.normal(size=(length, _SIZE)).astype("float32")
            found, expected = (run(source=source)["state"] for run in (runner, plain))
            wrong[length] += not np.allclose(found, expected, atol=1e-4)
    return wrong


def _main(count: str = "400") -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("bare", "reserved"):
            path = Path(folder) / "model.tflite"
            for job in (
                ["convert", kind],
                ["run", count],
            ):  # separate: TensorFlow's heap hides the bug
                command = [sys.executable, __file__, *job, str(path)]
                subprocess.run(command, check=True, env=quiet, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["convert", kind, file]:
            convert(Path(file), reserve if kind == "reserved" else None)
            print(f"{kind}: ", end="", flush=True)
        case ["run", count, file]:
            found = wrong_calls(Path(file), int(count))
            print(f"{sum(found.values())} of {len(LENGTHS) * int(count)} calls wrong; {found}")
        case rest:
            _main(*rest)
