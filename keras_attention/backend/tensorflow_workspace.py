"""Keep XNNPACK's workspace from growing while a LiteRT graph uses it."""

from __future__ import annotations

import tensorflow as tf

_COLUMNS = 64


def reserve_workspace(length: tf.Tensor, room: int, floats: int) -> tf.Tensor:
    """Return 0 from a loop that never runs but is prepared before anything that adds this 0.

    XNNPACK uses one workspace for all its computations in an interpreter, and LiteRT may skip a
    copy if that grows while in use: see docs/litert-workspace.md. TensorFlow Lite prepares the body
    of a loop before it knows whether the loop runs. The sum in this body needs more memory than any
    other part of the graph, so the workspace is large enough from then on.

    Args:
        length: Source length, () int32.
        room: Source length to reserve memory for at the first call. Longer sources reserve a
            multiple of it, before the parts that depend on their length are prepared again.
        floats: Number of float32 values to reserve for `room`: at least as many as any part of the
            graph holds at a time.

    Returns:
        0, () float32.
    """
    rows = (floats - 1) // _COLUMNS + 1
    column = tf.zeros((rows * tf.maximum((length - 1) // room + 1, 1), 1))

    def body(_: tf.Tensor, zero: tf.Tensor) -> tuple[bool, tf.Tensor]:
        sums = column + tf.fill((1, _COLUMNS), zero)
        return False, tf.matmul(sums, tf.ones((_COLUMNS, 1)))[0, 0]

    return tf.while_loop(lambda runs, _: runs, body, (length < 0, 0.0))[1]
