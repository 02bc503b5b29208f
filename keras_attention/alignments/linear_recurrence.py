"""Linear recurrences over positions, computed in parallel."""

from __future__ import annotations

from keras import ops

from keras_attention.types import Tensor


def linear_recurrence(decay: Tensor, x: Tensor) -> Tensor:
    """Compute the recurrence `y_j = decay_j y_{j-1} + x_j`, `y_{-1} = 0`, in `log2(S)` rounds.

    After a round of width w, each y_j holds the terms of the last 2 w positions and each decay the
    product of the same 2 w factors; the next round adds the 2 w positions before them. There is no
    division, so factors between 0 and 1 and terms of one sign lose no precision.

    Args:
        decay: Factors, (B, S).
        x: (B, S).

    Returns:
        y, (B, S).

    Reference: Hillis and Steele 1986, "Data parallel algorithms"; for recurrences Kogge and Stone
    1973.
    """
    length = x.shape[1]
    if length is None:
        return _in_a_loop(decay, x)
    width = 1
    while width < length:
        decay, x = _wider(decay, x, width)
        width *= 2
    return x


def _in_a_loop(decay: Tensor, x: Tensor) -> Tensor:
    """Run the rounds in a graph whose length is unknown until it runs."""
    length = ops.shape(x)[1]
    _, _, y = ops.while_loop(
        lambda width, decay, x: width < length,
        lambda width, decay, x: (width * 2, *_wider(decay, x, width)),
        (ops.convert_to_tensor(1, dtype="int32"), decay, x),
        maximum_iterations=31,
    )
    return y


def _wider(decay: Tensor, x: Tensor, width: int | Tensor) -> tuple[Tensor, Tensor]:
    """Run one round."""
    places = ops.arange(ops.shape(x)[1]) - width
    exists = places >= 0
    from_left = ops.maximum(places, 0)

    def left(y: Tensor) -> Tensor:
        return ops.where(exists, ops.take(y, from_left, axis=1), 0.0)

    return decay * left(decay), x + decay * left(x)
