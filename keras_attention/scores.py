"""Similarity scores between queries and keys, as pure functions.

Every function maps a query (B, T, D) and a key (B, S, D) to scores (B, T, S): one number for each
pair of a target step and a source position, before any softmax. Arrays are accepted.

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
        ValueError: If an argument is not three-dimensional, or if batch or features differ.

    Example:
        The lecture's first step: the encoder has read "let's" (and "go", here with a vector made
        to score 0.01), the decoder has read EOS.

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
    """Score by the dot product over the square root of the number of features.

    Formula: `score(q, k) = q . k / sqrt(D)`

    Args, returns and errors as in `dot`.

    Reference: Vaswani et al. 2017, equation 1.
    """
    query, key = _checked("scaled_dot", query, key)
    return dot(query * (1.0 / math.sqrt(query.shape[-1])), key)


@_register
def cosine(query: Tensor, key: Tensor) -> Tensor:
    """Score by the cosine of the angle between query and key.

    Formula: `score(q, k) = q . k / (|q| |k|)`; a zero vector scores 0.

    Args, returns and errors as in `dot`.

    Example:
        >>> import keras_attention as ka
        >>> eos, lets = [[[0.91, 0.38]]], [[[-0.76, 0.75]]]
        >>> round(float(ka.scores.cosine(eos, lets)[0, 0, 0]), 2)
        -0.39

    Reference: Graves et al. 2014 (Neural Turing Machines), equation 6.
    """
    query, key = _checked("cosine", query, key)
    return dot(unit_vectors(query), unit_vectors(key))


def general(query: Tensor, key: Tensor, kernel: Tensor) -> Tensor:
    """Score by a bilinear form: the key is projected to the query's size.

    Formula: `score(q, k) = q . (k W)`

    Args:
        query: (B, T, D).
        key: (B, S, E); its size may differ from the query's.
        kernel: W, (E, D).

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If shapes do not fit together.

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
    """Score by a small network with one hidden layer over query and key.

    Formula: `score(q, k) = v . tanh(q W_q + k W_m + b)`

    The hidden layer is computed for one query at a time: (B, T, S, U) is never in memory, on
    TensorFlow in training neither. It is computed in at least float32.

    Args:
        query: (B, T, D), or (B, T, U) already projected if `query_kernel` is None.
        key: (B, S, E), or (B, S, U) already projected if `key_kernel` is None.
        v: (U,).
        query_kernel: W_q, (D, U), or None.
        key_kernel: W_m, (E, U), or None.
        bias: b, (U,), or None.

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If shapes do not fit together.

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
    """Score by a small network over the concatenation of query and key.

    Formula: `score(q, k) = v . tanh([q; k] W)`, which is the additive score with W cut in two.

    Args:
        query: (B, T, D).
        key: (B, S, E).
        kernel: W, (D + E, U).
        v: (U,).

    Returns:
        Scores (B, T, S).

    Raises:
        ValueError: If shapes do not fit together.

    Reference: Luong et al. 2015, section 3.1 (concat).
    """
    query = _rank_3("concat", "query", query)
    key = _rank_3("concat", "key", key)
    features = query.shape[-1]
    if kernel.shape[0] != features + key.shape[-1]:
        raise ValueError(
            "Argument `kernel` of `concat` must have as many rows as query and key have features "
            f"together ({features} + {key.shape[-1]}). Received: kernel.shape={kernel.shape}"
        )
    return additive(query, key, v, query_kernel=kernel[:features], key_kernel=kernel[features:])


def unit_vectors(x: Tensor) -> Tensor:
    """Divide each vector on the last axis by its length; a zero vector stays zero."""
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
