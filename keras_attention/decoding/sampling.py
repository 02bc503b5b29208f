"""SamplingSearch: tokens drawn from what the model finds likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_positive, check_positive_number
from keras_attention.decoding.constraints import Constraint, check_constraints
from keras_attention.decoding.single_loop import follow
from keras_attention.decoding.types import (
    Hypotheses,
    StepFunction,
    best_first,
    described,
    repeat_rows,
)
from keras_attention.types import Nest, Tensor


@dataclass(frozen=True)
class SamplingSearch:
    """Draw each token from the model's distribution, or from its likeliest part; see `sample`.

    Args:
        temperature: Above 1 flattens the distribution, below 1 sharpens it.
        top_k: How many of the likeliest tokens to draw from; None for all.
        top_p: Only the nucleus is drawn; None for all tokens.
        seed: The same samples for the same sources at every call; None for others each time.
        num_samples: Hypotheses for each row, K, drawn independently; they may be equal.
        constraints: Which tokens may follow, for instance `(MinLength(3), NoRepeatedNgram(3))`.

    Raises:
        ValueError: If `temperature`, `top_k` or `num_samples` is not positive, or `top_p` is not
            above 0 and at most 1.
        TypeError: If `constraints` is no tuple of hashable functions.
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
        """Hypotheses for each row."""
        return self.num_samples

    def draw(self, rows: int, max_length: int) -> np.ndarray:
        """Random numbers (B, K, T) for `sample`; those of a row do not change with the rows after.

        NumPy draws them, so a seed means the same on every backend and device.
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
        """Sample; arguments and results as in `sample`, constraints are added to its own."""
        given = {name: getattr(self, name) for name in ("temperature", "top_k", "top_p")}
        constraints = (*self.constraints, *constraints)
        return sample(step, state, start_tokens, constraints=constraints, **given, **options)


def sample(
    step: StepFunction,
    state: Nest,
    start_tokens: Tensor,
    *,
    uniform: Tensor,
    end_id: int,
    max_length: int | Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    constraints: Sequence[Constraint] = (),
    attention_length: int | Tensor | None = None,
) -> Hypotheses:
    """Draw every token from `q ~ p(y_t | y_<t, x) ** (1 / temperature)`, cut to its likeliest part.

    Of the `top_k` likeliest tokens (of all for None) those are kept that make up the nucleus, the
    smallest set of likeliest tokens whose probabilities under q sum to at least `top_p` (Holtzman
    et al. 2020, section 3.1), and one of these is drawn in proportion to q. No row depends on the
    others. There are no random numbers in the graph: they are an argument.

    Args:
        step: `step(tokens (B * K,), state) -> (log_probs (B * K, V), weights (B * K, S) or None,
            state)`; the K hypotheses of a row are neighbors.
        state: Nest of tensors with B rows; they are repeated here.
        start_tokens: (B,) int32, the tokens before the first.
        uniform: (B, K, T) float32, at least 0 and below 1, one for each token.
        end_id: The token that ends a hypothesis.
        max_length: T, the most tokens of a hypothesis, the end token counted. One that is cut there
            has no end token.
        temperature: Above 1 flattens the distribution, below 1 sharpens it.
        top_k: How many of the likeliest tokens may be drawn; None for all.
        top_p: The mass of the nucleus; None for all tokens.
        constraints: Which tokens may follow. A hypothesis for which they leave nothing does not
            exist.
        attention_length: S, where `step` gives weights that are to be kept; None for no attention.

    Returns:
        Hypotheses, best first. Scores are plain log-probabilities under the model, without
        temperature, `top_k`, `top_p` and constraints: those that `Seq2Seq.score` gives.

    Raises:
        ValueError: If `temperature` or `top_k` is not positive, or `top_p` is not above 0 and at
            most 1.

    Reference: Holtzman, Buys, Du, Forbes and Choi 2020.
    """
    _check(temperature, top_k, top_p)
    rows, width = ops.shape(uniform)[:2]
    flat = ops.reshape(uniform, (rows * width, max_length))

    def choose(log_probs: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        vocabulary = log_probs.shape[-1]
        likeliest, tokens = ops.top_k(log_probs, min(top_k or vocabulary, vocabulary))
        kept = likeliest
        if top_p is not None and top_p < 1:
            kept = _nucleus(likeliest, temperature, top_p)
        here = ops.equal(ops.arange(max_length), time)
        place = draw(kept, ops.sum(ops.where(here, flat, 0.0), axis=1), temperature)

        def at_place(x: Tensor) -> Tensor:
            return ops.take_along_axis(x, ops.expand_dims(place, 1), axis=1)[:, 0]

        return ops.cast(at_place(tokens), "int32"), at_place(likeliest)

    found = follow(
        step,
        keras.tree.map_structure(lambda x: repeat_rows(x, width), state),
        repeat_rows(start_tokens, width),
        choose,
        end_id=end_id,
        max_length=max_length,
        constraints=constraints,
        attention_length=attention_length,
    )

    def of_rows(x: Tensor | None) -> Tensor | None:
        return None if x is None else ops.reshape(x, (rows, width, *ops.shape(x)[2:]))

    return best_first(Hypotheses(*map(of_rows, found)))


def draw(log_probs: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """Places drawn by given random numbers, which makes it a function: no state, no surprise.

    Formula: the first v with `u < sum_{w <= v} p_w`, where `p = softmax(log_probs / temperature)`.

    Args:
        log_probs: (N, V), -inf for what is never drawn.
        uniform: u, (N,), at least 0 and below 1.
        temperature: Not negative; below 1 sharpens, and 0 takes the likeliest.

    Returns:
        v, (N,) int32.
    """
    log_probs = ops.cast(log_probs, "float32")
    best, place = ops.top_k(log_probs, 1)
    if temperature == 0.0:
        return ops.cast(place[:, 0], "int32")
    best = ops.maximum(best, -1e9)  # -inf where constraints leave nothing
    below = ops.cumsum(ops.exp((log_probs - best) / temperature), axis=1)
    reached = ops.cast(ops.expand_dims(uniform, 1), "float32") * below[:, -1:]
    place = ops.sum(ops.cast(below <= reached, "int32"), axis=1)
    return ops.minimum(place, log_probs.shape[-1] - 1)  # where nothing is left, or rounding


def _nucleus(likeliest: Tensor, temperature: float, top_p: float) -> Tensor:
    """Sorted log-probabilities (N, V) with -inf behind the nucleus."""
    q = ops.softmax(likeliest / temperature, axis=-1)
    return ops.where(ops.cumsum(q, axis=1) - q < top_p, likeliest, -float("inf"))


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    check_positive_number("temperature", temperature)
    if top_k is not None:
        check_positive("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"Argument `top_p` must be above 0 and at most 1. Received: top_p={top_p}")
