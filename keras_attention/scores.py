"""Similarity scores between queries and keys, as pure functions.

Each function maps a query (B, T, D) and a key (B, S, D) to scores (B, T, S): one number per pair of
target step and source position, before the softmax. NumPy arrays are accepted.

Letters: B batch, T target length (queries), S source length (keys), D features, U units.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_attention.backend import trained_scan
from keras_attention.backend.linear import linear
from keras_attention.dtypes import at_least_float32, floating
from keras_attention.types import Nest, Tensor

__all__ = [
    "additive",
    "concat",
    "cosine",
    "dot",
    "general",
    "scaled_dot",
    "unit_vectors",
]

_register = keras.saving.register_keras_serializable(package="keras_attention.scores")


@_register
def dot(query: Tensor, key: Tensor) -> Tensor:
    """Score by the dot product.

    Formula: `score(q, k) = q . k`

    Args:
        query: (B, T, D).
        key: (B, S, D).

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If an argument does not have three axes, or if the batch sizes or the numbers of
            features differ.

    Example:
        The first step in the lecture: the encoder has read "let's", the decoder EOS.

        >>> import keras_attention as ka
        >>> eos, lets = [[[0.91, 0.38]]], [[[-0.76, 0.75]]]
        >>> round(float(ka.scores.dot(eos, lets)[0, 0, 0]), 2)
        -0.41

    Reference: Luong et al. 2015, section 3.1 (dot).
    """
    query, key = _checked("dot", query, key)
    return linear(query, key, transposed=True)


@_register
def scaled_dot(query: Tensor, key: Tensor) -> Tensor:
    """Score by the dot product divided by the square root of the number of features.

    Formula: `score(q, k) = q . k / sqrt(D)`

    Arguments, result and errors are those of `dot`.

    Example:
        The dot product of these vectors is 10; they have 4 features, so the score is 10 / 2:

        >>> import keras_attention as ka
        >>> query, key = [[[1.0, 2.0, 3.0, 4.0]]], [[[1.0, 1.0, 1.0, 1.0]]]
        >>> float(ka.scores.scaled_dot(query, key)[0, 0, 0])
        5.0

    Reference: Vaswani et al. 2017, equation 1.
    """
    query, key = _checked("scaled_dot", query, key)
    return dot(query * (1.0 / math.sqrt(query.shape[-1])), key)


@_register
def cosine(query: Tensor, key: Tensor) -> Tensor:
    """Score by the cosine of the angle between query and key.

    Formula: `score(q, k) = q . k / (|q| |k|)`; a zero vector scores 0.

    Arguments, result and errors are those of `dot`.

    Example:
        >>> import keras_attention as ka
        >>> eos, lets = [[[0.91, 0.38]]], [[[-0.76, 0.75]]]
        >>> round(float(ka.scores.cosine(eos, lets)[0, 0, 0]), 2)
        -0.39

    Reference: Graves et al. 2014 (Neural Turing Machines), equation 6.
    """
    query, key = _checked("cosine", query, key)
    cosines = dot(unit_vectors(query), unit_vectors(key))
    return ops.clip(cosines, -1.0, 1.0)  # which rounding may exceed


def general(query: Tensor, key: Tensor, kernel: Tensor) -> Tensor:
    """Score by the dot product of the query with a projection of the key.

    Formula: `score(q, k) = q . (k W)`

    Args:
        query: (B, T, D).
        key: (B, S, E); E may differ from D.
        kernel: W, (E, D).

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If the shapes do not match.

    Example:
        W projects the key (3) to (30, 3); its dot product with the query is 30 + 2 * 3:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> query, key, kernel = [[[1.0, 2.0]]], [[[3.0]]], np.array([[10.0, 1.0]], "float32")
        >>> float(ka.scores.general(query, key, kernel)[0, 0, 0])
        36.0

    Reference: Luong et al. 2015, section 3.1 (general).
    """
    return dot(query, ops.matmul(_rank_3("general", "key", key), kernel))


def additive(
    query: Tensor,
    key: Tensor,
    v: Tensor,
    query_kernel: Tensor | None = None,
    key_kernel: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Score by a feed-forward network with one hidden layer over query and key.

    Formula: `score(q, k) = v . tanh(q W_q + k W_m + b)`

    The hidden layer is computed one query at a time and in at least float32, so a tensor
    (B, T, S, U) never exists; on TensorFlow this holds in training too.

    Args:
        query: (B, T, D), or the projected (B, T, U) if `query_kernel` is None.
        key: (B, S, E), or the projected (B, S, U) if `key_kernel` is None.
        v: (U,).
        query_kernel: W_q, (D, U), or None.
        key_kernel: W_m, (E, U), or None.
        bias: b, (U,), or None.

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If the shapes do not match.

    Example:
        With one unit, `2 tanh(0.5 + 0.5) = 1.52` and `2 tanh(0.5 - 0.5) = 0`:

        >>> import keras_attention as ka
        >>> query, keys = [[[0.5]]], [[[0.5], [-0.5]]]
        >>> scores = ka.scores.additive(query, keys, v=[2.0])
        >>> [round(float(score), 2) for score in scores[0, 0]]
        [1.52, 0.0]

    Reference: Bahdanau et al. 2015, section 3.1 and appendix A.1.2 (the alignment model
    `a(s_{i-1}, h_j)`).
    """
    query = _rank_3("additive", "query", query)
    key = _rank_3("additive", "key", key)
    query = query if query_kernel is None else ops.matmul(query, query_kernel)
    key = key if key_kernel is None else ops.matmul(key, key_kernel)
    _check_pair("additive", query, key)
    query, key, v = (at_least_float32(floating(x)) for x in (query, key, v))
    query = query if bias is None else query + at_least_float32(floating(bias))

    def one_query(carry: Nest, projected: Tensor, constants: Nest) -> tuple[Nest, Tensor]:
        key, v = constants
        hidden = ops.tanh(ops.expand_dims(projected, 1) + key)
        return carry, ops.einsum("bsu,u->bs", hidden, v)

    if query.shape[1] == 1:
        return ops.expand_dims(one_query((), query[:, 0], (key, v))[1], 1)
    _, scores = trained_scan(one_query, (), ops.swapaxes(query, 0, 1), (key, v))
    return ops.swapaxes(scores, 0, 1)


def concat(query: Tensor, key: Tensor, kernel: Tensor, v: Tensor) -> Tensor:
    """Score by a feed-forward network over the concatenation of query and key.

    Formula: `score(q, k) = v . tanh([q; k] W)`, the additive score with W split in two.

    Args:
        query: (B, T, D).
        key: (B, S, E).
        kernel: W, (D + E, U).
        v: (U,).

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If the shapes do not match.

    Example:
        With one unit, `2 tanh(q + 3 k)` for `q = 0.5` and the keys 0.5 and -0.5:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> query, keys, kernel = [[[0.5]]], [[[0.5], [-0.5]]], np.array([[1.0], [3.0]], "float32")
        >>> scores = ka.scores.concat(query, keys, kernel, v=[2.0])
        >>> [round(float(score), 2) for score in scores[0, 0]]
        [1.93, -1.52]

    Reference: Luong et al. 2015, section 3.1 (concat).
    """
    query = _rank_3("concat", "query", query)
    key = _rank_3("concat", "key", key)
    features = query.shape[-1]
    if kernel.shape[0] != features + key.shape[-1]:
        raise ValueError(
            "Argument `kernel` of `concat` must have one row per feature of query and key "
            f"({features} + {key.shape[-1]}). Received: kernel.shape={kernel.shape}"
        )
    return additive(query, key, v, query_kernel=kernel[:features], key_kernel=kernel[features:])


def unit_vectors(x: Tensor) -> Tensor:
    """Divide each vector along the last axis by its length; a zero vector stays zero.

    Args:
        x: Vectors (..., D).

    Returns:
        Unit vectors, of the shape of `x`.

    Example:
        The vector (3, 4) has the length 5:

        >>> import numpy as np
        >>> import keras_attention as ka
        >>> units = ka.scores.unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]]))
        >>> [[round(float(x), 2) for x in unit] for unit in units]
        [[0.6, 0.8], [0.0, 0.0]]
    """
    squared = ops.sum(ops.square(at_least_float32(x)), axis=-1, keepdims=True)
    return x * ops.cast(ops.rsqrt(ops.maximum(squared, 1e-12)), x.dtype)


def _rank_3(score: str, name: str, x: Tensor) -> Tensor:
    x = floating(x)
    if len(x.shape) != 3:
        raise ValueError(
            f"Argument `{name}` of `{score}` must have three axes (batch, length, features). "
            f"Received: {name}.shape={tuple(x.shape)}"
        )
    return x


def _check_pair(score: str, query: Tensor, key: Tensor) -> None:
    for axis, what in ((0, "batch size"), (-1, "number of features")):
        sizes = query.shape[axis], key.shape[axis]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(
                f"Arguments `query` and `key` of `{score}` must have the same {what}. "
                f"Received: query.shape={tuple(query.shape)}, key.shape={tuple(key.shape)}"
            )


def _checked(score: str, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    query, key = _rank_3(score, "query", query), _rank_3(score, "key", key)
    _check_pair(score, query, key)
    return query, key
