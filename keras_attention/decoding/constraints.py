"""Constraints: which tokens may follow what a hypothesis has written.

A constraint is a function `constraint(allowed, written) -> allowed` of booleans (N, V), True where
a token may follow. A search applies its constraints in their order, each to what those before it
allow, and gives all other tokens the log-probability -inf; those that are left keep theirs, so
scores are the model's own. Where nothing is left a hypothesis does not exist: no result breaks a
constraint. What has ended is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from keras_attention.checks import check_positive
from keras_attention.decoding.types import repeat_rows
from keras_attention.types import Tensor


class Written(NamedTuple):
    """What hypotheses have written so far.

    Attributes:
        ids: (N, T) int32, padded with 0. Where a search keeps K hypotheses of each of B rows, N is
            B * K, and those of a row are neighbors.
        time: Scalar int32, how many tokens that is.
        end_id: The token that ends a hypothesis.
    """

    ids: Tensor
    time: Tensor
    end_id: int


Constraint = Callable[[Tensor, Written], Tensor]
"""`constraint(allowed, written) -> allowed`: booleans (N, V), True for what may follow."""


def constrained(log_probs: Tensor, written: Written, constraints: Iterable[Constraint]) -> Tensor:
    """Log-probabilities (N, V) as float32, with -inf where the constraints allow no token."""
    log_probs = ops.cast(log_probs, "float32")
    allowed = None
    for constraint in constraints:
        allowed = ops.ones_like(log_probs, dtype="bool") if allowed is None else allowed
        allowed = constraint(allowed, written)
    return log_probs if allowed is None else ops.where(allowed, log_probs, -float("inf"))


def check_constraints(constraints: Any) -> None:
    """Raise `TypeError` unless they are a tuple of functions that can be told from others."""
    fine = isinstance(constraints, tuple) and all(callable(one) for one in constraints)
    try:
        hash(constraints)
    except TypeError:
        fine = False
    if not fine:
        raise TypeError(
            "Argument `constraints` must be a tuple of hashable functions, for instance "
            "(MinLength(3),); arrays that differ by row are arguments of `generate`: `prefix` and "
            f"`allowed`. Received: constraints={constraints!r}"
        )


@dataclass(frozen=True)
class MinLength:
    """No end token before a hypothesis has a length, the end token counted.

    One that is cut at the search's maximum length may be shorter.

    Args:
        length: The least number of tokens.

    Raises:
        ValueError: If `length` is not positive.
    """

    length: int

    def __post_init__(self) -> None:
        check_positive("length", self.length)

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """All but the end token, if it came too early."""
        is_end = ops.equal(ops.arange(allowed.shape[-1]), written.end_id)
        may_end = written.time + 1 >= self.length
        return ops.logical_and(allowed, ops.logical_or(may_end, ops.logical_not(is_end)))


@dataclass(frozen=True)
class NoRepeatedNgram:
    """No n consecutive tokens twice in a hypothesis: `y_{t-n+1..t} != y_{i-n+1..i}` for all i < t.

    The end token is never kept from following.

    Args:
        size: n; 1 allows every token once.

    Raises:
        ValueError: If `size` is not positive.

    Reference: Paulus, Xiong and Socher 2018, section 2.5 (trigrams).
    """

    size: int = 3

    def __post_init__(self) -> None:
        check_positive("size", self.size)

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """All but those tokens that followed the last n - 1 tokens before."""
        ids, time, vocabulary = written.ids, written.time, allowed.shape[-1]
        if ids.shape[1] is not None and ids.shape[1] < self.size:
            return allowed
        rows, length = ops.shape(ids)
        last = self.size - 1
        repeated = ops.arange(last, length) < time  # (P,): places that n - 1 tokens precede
        for back in range(1, self.size):
            now = ops.where(ops.equal(ops.arange(length), time - back), ids, 0)
            now = ops.sum(now, axis=1, keepdims=True)
            repeated = ops.logical_and(repeated, ops.equal(ids[:, last - back : -back], now))
        places = ops.where(repeated, ids[:, last:], vocabulary)  # one more column takes the others
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
    """Only the tokens of a vocabulary of each row's own.

    Args:
        mask: Boolean (B, V), True where a token may be written. Without the end token, hypotheses
            go on to the maximum length.
    """

    mask: Tensor

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """Those of the mask."""
        return ops.logical_and(allowed, _for_each_hypothesis(self.mask, allowed))


@dataclass(frozen=True)
class Prefix:
    """First a given prefix, whatever other constraints say of it, then freely.

    Args:
        ids: (B, P) int32, without the start token, padded with 0 where a row's is shorter.
    """

    ids: Tensor

    def __call__(self, allowed: Tensor, written: Written) -> Tensor:
        """The token of the prefix alone, where there is one."""
        ids = ops.cast(self.ids, "int32")
        here = ops.equal(ops.arange(ops.shape(ids)[1]), written.time)
        token = ops.sum(ops.where(here, ids, 0), axis=1, keepdims=True)
        token = _for_each_hypothesis(token, allowed)
        is_token = ops.equal(ops.arange(allowed.shape[-1]), token)
        return ops.where(ops.equal(token, 0), allowed, is_token)


def _for_each_hypothesis(x: Tensor, allowed: Tensor) -> Tensor:
    """Repeat the rows (B, ...) of a batch for its hypotheses, (N, ...)."""
    return repeat_rows(x, ops.shape(allowed)[0] // ops.shape(x)[0])
