"""Arrays for tests: seeded random arrays, and conversion from any backend to NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def uniform(*shape: int, seed: int, scale: float = 1.0) -> np.ndarray:
    """Float32 numbers in [-scale, scale), the same for every call with the same seed."""
    return np.random.default_rng(seed).uniform(-scale, scale, shape).astype("float32")


def to_numpy(tensor: Any) -> np.ndarray:
    """The values of a tensor of any backend; low-precision floats become float32."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype in ("float16", "bfloat16"):
        tensor = keras.ops.cast(tensor, "float32")
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def randomize(layer: keras.layers.Layer, seed: int, scale: float = 0.7) -> None:
    """Set every weight to random values: the zeros and ones of initializers hide errors."""
    for place, variable in enumerate(layer.weights):
        if "seed_generator" not in variable.path:
            variable.assign(uniform(*variable.shape, seed=seed + place, scale=scale))


def length_mask(lengths: list[int], size: int) -> np.ndarray:
    """A right-padding mask (B, size), True on the first `lengths` positions of each row."""
    return np.arange(size) < np.array(lengths)[:, None]


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Create the layers inside the block with a dtype policy such as "mixed_float16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
