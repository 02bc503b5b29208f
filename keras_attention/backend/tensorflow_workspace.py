"""What a graph for LiteRT does so that XNNPACK's workspace does not grow while it is in use."""

from __future__ import annotations

import tensorflow as tf

_COLUMNS = 64


def with_workspace(x: tf.Tensor, length: tf.Tensor, places: int, numbers: int) -> tf.Tensor:
    """Integers as they are, behind a loop that never runs and that TFLite prepares before all else.

    All that XNNPACK computes for one interpreter shares a workspace. When that has to grow for one
    part of a graph, XNNPACK sets up the others again, with addresses of their last call. What was
    there TFLite may have freed, and the new workspace may lie there: XNNPACK takes a copy for one
    onto itself then, leaves it out, and what follows reads what was never written. The sum in this
    loop holds more than any other part, so that nothing else makes the workspace grow. Where a
    source is too long for that, the workspace grows here, before what depends on the source's
    length is set up anew. See docs/litert-workspace.md.

    Args:
        x: What all that XNNPACK computes depends on.
        length: How long a source is, () int32.
        places: For how long a source there is room from the first call on; longer ones make room
            for a whole multiple of it.
        numbers: How many of float32 this room is for: no fewer than any part holds at a time.

    Returns:
        The integers.
    """
    rows = (numbers - 1) // _COLUMNS + 1
    column = tf.zeros((rows * tf.maximum((length - 1) // places + 1, 1), 1))

    def body(_: tf.Tensor, zero: tf.Tensor) -> tuple[bool, tf.Tensor]:
        sums = column + tf.fill((1, _COLUMNS), zero)
        return False, tf.matmul(sums, tf.ones((_COLUMNS, 1)))[0, 0]

    _, zero = tf.while_loop(lambda runs, _: runs, body, (length < 0, 0.0))
    return x + tf.cast(zero, x.dtype)
