"""Sampling: draw tokens from the model's distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_attention.checks import check_positive, check_positive_number
from keras_attention.decoding.constraints import Constraint, check_constraints
from keras_attention.decoding.single_loop import follow
from keras_attention.decoding.types import (
    EndId,
    Hypotheses,
    StepFunction,
    best_first,
    check_size,
    check_start,
    described,
    repeat_rows,
)
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class SamplingSearch:
    """Draw each token from the model's distribution, or from its likeliest part; see `sample`.

    Args:
        temperature: Above 1 flattens the distribution, below 1 sharpens it.
        top_k: Draw only from the k likeliest tokens; None for all.
        top_p: Draw only from the nucleus of this probability mass; None for all tokens.
        seed: Makes every call draw the same samples for the same sources; None for new ones.
        num_samples: Hypotheses per row, K, drawn independently; they may coincide.
        constraints: Limits on the next token, for example `(MinLength(3), NoRepeatedNgram(3))`.

    Raises:
        ValueError: If `temperature`, `top_k` or `num_samples` is not positive, or `top_p` is not
            above 0 and at most 1.
        TypeError: If `constraints` is not a tuple of hashable functions.

    Example:
        A thousand samples of one token. With `top_k=2` only "a" (0.6) and "b" (0.3) remain, so
        about two thirds are "a":

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> def step(tokens, state):  # probabilities of padding, start, end, "a", "b"
        ...     return ops.log([[0, 0, 0.1, 0.6, 0.3]] * 1000), None, state
        >>> search = ka.SamplingSearch(top_k=2, num_samples=1000, seed=1)
        >>> uniform = search.draw(rows=1, max_length=1)
        >>> found = search(step, (), np.array([1]), end_id=2, max_length=1, uniform=uniform)
        >>> np.bincount(np.array(found.ids).ravel())
        array([  0,   0,   0, 664, 336])
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    num_samples: int = 1
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        _check(self.temperature, self.top_k, self.top_p)
        check_positive("num_samples", self.num_samples)
        check_constraints(self.constraints)

    def __repr__(self) -> str:
        return described(self, "temperature")

    @property
    def width(self) -> int:
        """Number of hypotheses per row."""
        return self.num_samples

    def draw(self, rows: int, max_length: int) -> np.ndarray:
        """Random numbers (B, K, T) for `sample`; a row's do not depend on the rows after it.

        NumPy draws them, so a seed gives the same numbers on every backend and device.
        """
        shape = (rows, self.num_samples, max_length)
        return np.random.default_rng(self.seed).random(shape, dtype="float32")

    def __call__(
        self,
        step: StepFunction,
        state: Nest,
        start_tokens: Tensor,
        *,
        constraints: Sequence[Constraint] = (),
        **options: Any,
    ) -> Hypotheses:
        """Run `sample` with these options, and `constraints` in addition to its own."""
        given = {name: getattr(self, name) for name in ("temperature", "top_k", "top_p")}
        constraints = (*self.constraints, *constraints)
        return sample(step, state, start_tokens, constraints=constraints, **given, **options)


def sample(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    uniform: Tensor,
    end_id: EndId,
    max_length: int | Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    constraints: Sequence[Constraint] = (),
    attention_length: int | Tensor | None = None,
    memory: tuple[Nest, ...] = (),
) -> Hypotheses:
    """Draw every token from `q ~ p(y_t | y_<t, x) ** (1 / temperature)`, truncated to its top.

    From the `top_k` likeliest tokens (or all, if None), keep the nucleus: the smallest set of the
    likeliest tokens whose probabilities under q sum to at least `top_p` (Holtzman et al. 2020,
    section 3.1). Then draw one of them in proportion to q. Rows are independent. The graph draws no
    random numbers; they are an argument.

    Args:
        step: `step(tokens (B * K,), state, *memory) -> (log_probs (B * K, V), weights (B * K, S) or
            None, state)`; the K hypotheses of a row are adjacent.
        state: Nest of tensors with B rows, repeated here to B * K. All that `step` reads of a row
            belongs here or into `memory`, so that it is repeated, too.
        start_tokens: (B,) int32, the tokens that the first step reads.
        uniform: (B, K, T) float32 in [0, 1), one number per token.
        end_id: The token that ends a hypothesis, or a tuple of several.
        max_length: T, maximum tokens per hypothesis, including the end token, which truncated
            hypotheses lack.
        temperature: Above 1 flattens the distribution, below 1 sharpens it.
        top_k: Draw only from the k likeliest tokens; None for all.
        top_p: Probability mass of the nucleus; None for all tokens.
        constraints: Limits on the next token. A hypothesis with no token left is dropped.
        attention_length: S, to record the weights that `step` returns; None for no attention.
        memory: Further arguments of `step`, nests of tensors with B rows that no step changes.

    Returns:
        Hypotheses, best first. Scores are the model's plain log-probabilities, as `Seq2Seq.score`
        returns them, unaffected by temperature, `top_k`, `top_p` and constraints.

    Raises:
        ValueError: If `temperature` or `top_k` is not positive, or `top_p` is not above 0 and at
            most 1.

    Example:
        Two samples from a bigram model of padding, start, end, "a" and "b" (ids 0 to 4). The
        cumulative probabilities are 0.6 ("a") and 1.0 ("b") at first, so 0.5 draws "a" and 0.8 "b";
        after "a" they are 0.5 (end), 0.9 ("b") and 1.0 ("a"), so 0.7 draws "b":

        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
        >>> table = ops.log([a, start, a, a, b])  # row: previous token, column: next token
        >>> def step(tokens, state):
        ...     return ops.take(table, tokens, axis=0), None, state
        >>> uniform = np.array([[[0.5, 0.7], [0.8, 0.1]]])
        >>> options = {"end_id": 2, "max_length": 2, "uniform": uniform}
        >>> found = ka.decoding.sample(step, (), np.array([1]), **options)
        >>> np.array(found.ids).tolist()  # best first
        [[[4, 2], [3, 4]]]

    Reference: Holtzman, Buys, Du, Forbes and Choi 2020.
    """
    _check(temperature, top_k, top_p)
    check_size("max_length", max_length)
    _check_uniform(uniform, max_length)
    start_tokens = check_start(start_tokens, state)
    rows, width = ops.shape(uniform)[:2]
    flat = ops.reshape(uniform, (rows * width, max_length))

    def choose(log_probs: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        here = ops.equal(ops.arange(max_length), time)
        number = ops.sum(ops.where(here, flat, 0.0), axis=1)
        return _draw_from_top(log_probs, number, temperature, top_k, top_p)

    found = follow(
        step,
        repeat_rows(state, width),
        repeat_rows(start_tokens, width),
        choose,
        end_id=end_id,
        max_length=max_length,
        constraints=constraints,
        attention_length=attention_length,
        memory=repeat_rows(memory, width),
        may_leave=False,  # `flat` has rows
    )

    def of_rows(x: Tensor | None) -> Tensor | None:
        return None if x is None else ops.reshape(x, (rows, width, *ops.shape(x)[2:]))

    return best_first(Hypotheses(*map(of_rows, found)))


def _draw_from_top(
    log_probs: Tensor, uniform: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[Tensor, Tensor]:
    """Draw from the nucleus of the `top_k` likeliest tokens; see `sample`.

    Args:
        log_probs: (N, V).
        uniform: (N,), in [0, 1).
        temperature: As in `sample`.
        top_k: As in `sample`.
        top_p: As in `sample`.

    Returns:
        The tokens (N,) and their log-probabilities (N,), unaffected by the options.
    """
    vocabulary = log_probs.shape[-1]
    likeliest, tokens = ops.top_k(log_probs, min(top_k or vocabulary, vocabulary))
    kept = likeliest
    if top_p is not None and top_p < 1:
        kept = _nucleus(likeliest, temperature, top_p)
    place = draw(kept, uniform, temperature)

    def at_place(x: Tensor) -> Tensor:
        return ops.take_along_axis(x, ops.expand_dims(place, 1), axis=1)[:, 0]

    return ops.cast(at_place(tokens), "int32"), at_place(likeliest)


def draw(log_probs: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """Draw indices with given random numbers, so that the result is deterministic.

    Formula: the first v with `u < sum_{w <= v} p_w`, where `p = softmax(log_probs / temperature)`.

    Args:
        log_probs: (N, V), -inf for tokens that must not be drawn.
        uniform: u, (N,), in [0, 1).
        temperature: At least 0; below 1 sharpens, and 0 takes the likeliest.

    Returns:
        v, (N,) int32.
    """
    log_probs = ops.cast(log_probs, "float32")
    best, place = ops.top_k(log_probs, 1)
    if temperature == 0.0:
        return ops.cast(place[:, 0], "int32")
    best = ops.maximum(best, -1e9)  # -inf if constraints leave no token
    below = ops.cumsum(ops.exp((log_probs - best) / temperature), axis=1)
    reached = ops.cast(ops.expand_dims(uniform, 1), "float32") * below[:, -1:]
    place = ops.sum(ops.cast(below <= reached, "int32"), axis=1)
    return ops.minimum(place, log_probs.shape[-1] - 1)  # if no token is left, or by rounding


def _nucleus(likeliest: Tensor, temperature: float, top_p: float) -> Tensor:
    """Sorted log-probabilities (N, V), -inf outside the nucleus (Holtzman et al. 2020, 3.1)."""
    q = ops.softmax(likeliest / temperature, axis=-1)
    return ops.where(ops.cumsum(q, axis=1) - q < top_p, likeliest, -float("inf"))


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    check_positive_number("temperature", temperature)
    if top_k is not None:
        check_positive("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"Argument `top_p` must be above 0 and at most 1. Received: top_p={top_p}")


def _check_uniform(uniform: Tensor, max_length: int | Tensor) -> None:
    if not ops.is_tensor(max_length) and uniform.shape[2] not in (None, max_length):
        raise ValueError(
            "Argument `uniform` must hold one number per token, (B, K, max_length). "
            f"Received: uniform.shape={tuple(uniform.shape)}, max_length={max_length}"
        )
