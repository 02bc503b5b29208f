"""Constraints: which tokens may follow what a hypothesis has written so far.

A constraint is a function `constraint(allowed, written) -> allowed` on booleans (N, V), True where
a token may follow. A search applies its constraints in order, each to the result of the one before,
and sets the log-probability of every other token to -inf. Allowed tokens keep theirs, so scores are
the model's own. A hypothesis with no allowed token is dropped, so no result violates a constraint.
Finished hypotheses are not checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from keras_attention.checks import check_positive
from keras_attention.decoding.types import EndId, is_end, repeat_rows
from keras_attention.types import Tensor


class Written(NamedTuple):
    """What hypotheses have written so far.

    Attributes:
        ids: (N, T) int32, padded with 0. When a search keeps K hypotheses for each of B rows, N is
            B * K, and the hypotheses of a row are adjacent.
        time: Scalar int32, the number of tokens written.
        end_id: The token that ends a hypothesis, or a tuple of them.
    """

    ids: Tensor
    time: Tensor
    end_id: EndId


Constraint = Callable[[Tensor, Written], Tensor]
"""`constraint(allowed, written) -> allowed`: booleans (N, V), True where a token may follow."""


def constrained(log_probs: Tensor, written: Written, constraints: Iterable[Constraint]) -> Tensor:
    """Log-probabilities (N, V) as float32, -inf for tokens that the constraints exclude."""
    log_probs = ops.cast(log_probs, "float32")
    allowed = None
    for constraint in constraints:
        allowed = ops.ones_like(log_probs, dtype="bool") if allowed is None else allowed
        allowed = constraint(allowed, written)
    return log_probs if allowed is None else ops.where(allowed, log_probs, -float("inf"))


def check_constraints(constraints: Any) -> None:
    """Raise `TypeError` unless `constraints` is a tuple of hashable functions."""
    fine = isinstance(constraints, tuple) and all(
        callable(one) and not isinstance(one, type) for one in constraints
    )
    try:
        hash(constraints)
    except TypeError:
        fine = False
    if not fine:
        raise TypeError(
            "Argument `constraints` must be a tuple of hashable functions, for example "
            "(MinLength(3),); pass arrays that differ by row to `generate` as `prefix` or "
            f"`allowed`. Received: constraints={constraints!r}"
        )


def check_lengths(constraints: Iterable[Constraint], max_length: int | Tensor) -> None:
    """Raise `ValueError` if a minimum length is above the maximum length."""
    if ops.is_tensor(max_length):
        return
    for one in constraints:
        if isinstance(one, MinLength) and one.length > max_length:
            raise ValueError(
                "Argument `max_length` must be at least the length that `MinLength` asks for. "
                f"Received: max_length={max_length}, constraints with {one}"
            )


@dataclass(frozen=True)
class MinLength:
    """Forbid the end token until a hypothesis has a minimum length, including the end token.

    A search whose `max_length` is smaller cannot fulfil it and raises a `ValueError`.

    Args:
        length: The minimum number of tokens.

    Raises:
        ValueError: If `length` is not positive.

    Example:
        The model would end at once; it has to write two tokens first:

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> def step(tokens, state):  # probabilities of padding, start, end, "a", "b"
        ...     return ops.log([[0, 0, 0.6, 0.3, 0.1]]), None, state
        >>> search = ka.GreedySearch((ka.decoding.MinLength(3),))
        >>> found = search(step, (), np.array([1]), end_id=2, max_length=5)
        >>> np.array(found.ids).tolist()
        [[[3, 3, 2, 0, 0]]]
    """

    length: int

    def __post_init__(self) -> None:
        check_positive("length", self.length)

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """Exclude the end token while the hypothesis is too short."""
        ends = is_end(ops.arange(allowed.shape[-1]), written.end_id)
        may_end = written.time + 1 >= self.length
        return ops.logical_and(allowed, ops.logical_or(may_end, ops.logical_not(ends)))


@dataclass(frozen=True)
class NoRepeatedNgram:
    """Forbid any n-gram from occurring twice: `y_{t-n+1..t} != y_{i-n+1..i}` for all i < t.

    The end token is always allowed.

    Args:
        size: n; with 1, every token may occur once.

    Raises:
        ValueError: If `size` is not positive.

    Example:
        The model would write "aaaaaa". After "aa" the next token cannot be "a", and after "aaba"
        neither "a" nor "b", since "aa" and "ab" have occurred:

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> def step(tokens, state):  # probabilities of padding, start, end, "a", "b"
        ...     return ops.log([[0, 0, 0.1, 0.6, 0.3]]), None, state
        >>> search = ka.GreedySearch((ka.decoding.NoRepeatedNgram(2),))
        >>> found = search(step, (), np.array([1]), end_id=2, max_length=6)
        >>> np.array(found.ids).tolist()
        [[[3, 3, 4, 3, 2, 0]]]

    Reference: Paulus, Xiong and Socher 2018, section 2.5 (trigrams).
    """

    size: int = 3

    def __post_init__(self) -> None:
        check_positive("size", self.size)

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """Exclude each token that has already followed the last n - 1 tokens."""
        ids, time, vocabulary = written.ids, written.time, allowed.shape[-1]
        if ids.shape[1] is not None and ids.shape[1] < self.size:
            return allowed
        rows, length = ops.shape(ids)
        last = self.size - 1
        repeated = ops.arange(last, length) < time  # (P,): positions after n - 1 tokens
        for back in range(1, self.size):
            now = ops.where(ops.equal(ops.arange(length), time - back), ids, 0)
            now = ops.sum(now, axis=1, keepdims=True)
            repeated = ops.logical_and(repeated, ops.equal(ids[:, last - back : -back], now))
        places = ops.where(repeated, ids[:, last:], vocabulary)  # an extra column takes the rest
        places += ops.expand_dims(ops.arange(rows), 1) * (vocabulary + 1)
        marked = ops.scatter(
            ops.reshape(places, (-1, 1)),
            ops.ones((rows * (length - last),), dtype="float32"),
            (rows * (vocabulary + 1),),
        )
        marked = ops.reshape(marked, (rows, vocabulary + 1))[:, :vocabulary]
        return ops.logical_and(allowed, marked < 0.5)


@dataclass(frozen=True)
class AllowedTokens:
    """Restrict each row to its own subset of the vocabulary.

    Args:
        mask: Boolean (B, V), True for allowed tokens. If the end token is not among them,
            hypotheses run to the maximum length.

    Example:
        Both rows prefer "a", but the second may not write it:

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> def step(tokens, state):  # probabilities of padding, start, end, "a", "b"
        ...     return ops.log([[0, 0, 0.1, 0.6, 0.3]] * 2), None, state
        >>> allowed = ka.decoding.AllowedTokens(
        ...     np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1]], "bool")
        ... )
        >>> options = {"end_id": 2, "max_length": 3, "constraints": [allowed]}
        >>> found = ka.decoding.greedy_search(step, (), np.array([1, 1]), **options)
        >>> np.array(found.ids).tolist()
        [[[3, 3, 3]], [[4, 4, 4]]]
    """

    mask: Tensor

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """Exclude tokens outside the row's mask."""
        return ops.logical_and(allowed, _for_each_hypothesis(self.mask, allowed))


@dataclass(frozen=True)
class Prefix:
    """Force each hypothesis to begin with a given prefix; it overrides earlier constraints.

    Args:
        ids: (B, P) int32, without the start token, padded with 0 on the right.

    Example:
        The model prefers "a" but has to begin with "bb":

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> def step(tokens, state):  # probabilities of padding, start, end, "a", "b"
        ...     return ops.log([[0, 0, 0.1, 0.6, 0.3]]), None, state
        >>> prefix = ka.decoding.Prefix(np.array([[4, 4]]))
        >>> options = {"end_id": 2, "max_length": 4, "constraints": [prefix]}
        >>> found = ka.decoding.greedy_search(step, (), np.array([1]), **options)
        >>> np.array(found.ids).tolist()
        [[[4, 4, 3, 3]]]
    """

    ids: Tensor

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """Allow only the prefix's token, as long as there is one."""
        ids = ops.cast(self.ids, "int32")
        here = ops.equal(ops.arange(ops.shape(ids)[1]), written.time)
        token = ops.sum(ops.where(here, ids, 0), axis=1, keepdims=True)
        token = _for_each_hypothesis(token, allowed)
        is_token = ops.equal(ops.arange(allowed.shape[-1]), token)
        return ops.where(ops.equal(token, 0), allowed, is_token)


def _for_each_hypothesis(x: Tensor, allowed: Tensor) -> Tensor:
    """Repeat the rows (B, ...) of a batch for each of its hypotheses, (N, ...)."""
    return repeat_rows(x, ops.shape(allowed)[0] // ops.shape(x)[0])
