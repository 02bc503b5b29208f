"""What a graph for LiteRT does so that XNNPACK's workspace does not grow while it is in use."""

from __future__ import annotations

import tensorflow as tf

_COLUMNS = 64


def reserve_workspace(length: tf.Tensor, room: int, floats: int) -> tf.Tensor:
    """0, from a loop that never runs, but is prepared before whatever adds this to its inputs.

    All that XNNPACK computes for one interpreter shares a workspace, and LiteRT may skip a copy
    when that grows in use: see docs/litert-workspace.md. TensorFlow Lite prepares the body of a
    loop before it knows whether the loop runs. The sum in this body holds more than any other part
    of the graph, so the workspace is large enough from then on.

    Args:
        length: How long a source is, () int32.
        room: For how long a source there is room from the first call on. Longer ones make room for
            a whole multiple of it, before what depends on their length is set up again.
        floats: How many float32 numbers this room is for: no fewer than any part holds at a time.

    Returns:
        0, () float32.
    """
    rows = (floats - 1) // _COLUMNS + 1
    column = tf.zeros((rows * tf.maximum((length - 1) // room + 1, 1), 1))

    def body(_: tf.Tensor, zero: tf.Tensor) -> tuple[bool, tf.Tensor]:
        sums = column + tf.fill((1, _COLUMNS), zero)
        return False, tf.matmul(sums, tf.ones((_COLUMNS, 1)))[0, 0]

    return tf.while_loop(lambda runs, _: runs, body, (length < 0, 0.0))[1]
