"""Random numbers that depend on a row's place in the whole batch, not on who computes the row.

Keras draws dropout and noise for the rows that a device has. Then as many devices as there are give
as many different results. Here, each row has a key of its own: that of the draw, and its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import jax
from keras.src.backend.jax import random


@contextmanager
def by_row(first: Any, rows: int) -> Iterator[None]:
    """Draw by row for tensors (rows, ...), whose first row is number `first` of the whole batch.

    It applies to `keras.random.dropout`, `normal` and `uniform`, which layers call, too. Numbers
    that all rows share (a noise shape that begins with 1) and draws of other shapes are as ever.
    """
    numbers = first + jax.numpy.arange(rows)

    def keys(seed: Any) -> Any:
        return jax.vmap(jax.random.fold_in, (None, 0))(random.jax_draw_seed(seed), numbers)

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        shape = inputs.shape if noise_shape is None else noise_shape
        if inputs.shape[:1] != (rows,) or shape[0] not in (None, rows) or rate in (0.0, 1.0):
            return _DROPOUT(inputs, rate, noise_shape, seed)
        rest = None if noise_shape is None else noise_shape[1:]
        return jax.vmap(lambda x, key: _DROPOUT(x, rate, rest, key))(inputs, keys(seed))

    def drawn(draw: Any) -> Any:
        def by_rows(shape: Sequence[int], *args: Any, seed: Any = None, **kwargs: Any) -> Any:
            if tuple(shape[:1]) != (rows,):
                return draw(shape, *args, seed=seed, **kwargs)
            return jax.vmap(lambda key: draw(shape[1:], *args, seed=key, **kwargs))(keys(seed))

        return by_rows

    replaced = {"dropout": dropout, "normal": drawn(_NORMAL), "uniform": drawn(_UNIFORM)}
    with patch.multiple(random, **replaced):
        yield


_DROPOUT, _NORMAL, _UNIFORM = random.dropout, random.normal, random.uniform
