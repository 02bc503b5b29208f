"""Sampling from chains whose probabilities are known exactly."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import Hypotheses, SamplingSearch, forced_decoding, sample
from tests import reference
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import (
    END,
    ROWS,
    START,
    Chain,
    S,
    V,
    chain,
    greedily,
    one_row,
)

FIRST = [0.05, 0.15, 0.1, 0.3, 0.4]


def draw(searched: Chain, max_length: int, options: SamplingSearch, **given: Any) -> Hypotheses:
    given = {"uniform": options.draw(searched.rows, max_length), **given}
    state, start = searched.state(), searched.start()
    given |= {"end_id": END, "max_length": max_length, "attention_length": S}
    return options(searched.step, state, start, **given)


def frequencies(options: SamplingSearch) -> np.ndarray:
    """How often each token comes first in the chain with probabilities `FIRST`."""
    ids = to_numpy(draw(one_row({(START,): FIRST}, V), 1, options).ids)
    return np.bincount(ids[0, :, 0], minlength=V) / options.num_samples


@pytest.mark.parametrize(
    "options",
    [SamplingSearch(top_k=1), SamplingSearch(temperature=1e-4), SamplingSearch(top_p=1e-6)],
)
def test_only_the_likeliest_is_greedy(options: SamplingSearch) -> None:
    searched = chain(seed=3)
    for one, other in zip(draw(searched, 6, options), greedily(searched, 6), strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


def goes_on(allowed: Any, written: Any) -> Any:
    """A constraint: every token but the end."""
    return ops.logical_and(allowed, ops.not_equal(ops.arange(5), written.end_id))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, FIRST),
        # squares: 0.0025, 0.0225, 0.01, 0.09, 0.16; their sum is 0.285
        ({"temperature": 0.5}, [0.0088, 0.0789, 0.0351, 0.3158, 0.5614]),
        ({"top_k": 2}, [0, 0, 0, 3 / 7, 4 / 7]),
        # 0.4 + 0.3 < 0.75 <= 0.4 + 0.3 + 0.15
        ({"top_p": 0.75}, [0, 3 / 17, 0, 6 / 17, 8 / 17]),
        # of the two likeliest 4/7 < 0.6, of all 0.4 + 0.3 >= 0.6
        ({"top_k": 2, "top_p": 0.5}, [0, 0, 0, 0, 1]),
        ({"top_p": 1.0, "top_k": 99}, FIRST),
        ({"constraints": (goes_on,)}, [0.05 / 0.9, 0.15 / 0.9, 0, 0.3 / 0.9, 0.4 / 0.9]),
    ],
)
def test_tokens_come_as_often_as_they_should(
    options: dict[str, Any], expected: list[float]
) -> None:
    found = frequencies(SamplingSearch(seed=20, num_samples=20_000, **options))
    np.testing.assert_allclose(found, expected, atol=0.012)  # more than 3 standard deviations
    assert np.all(found[np.array(expected) == 0] == 0)


def test_whole_hypotheses_come_as_often_as_they_should() -> None:
    searched = chain(seed=7, vocabulary=4, rows=2)
    found = draw(searched, 2, SamplingSearch(seed=1, num_samples=10_000))
    for row in range(2):
        ids = (tuple(int(i) for i in path) for path in to_numpy(found.ids)[row])
        counts = Counter(path[:1] if path[0] == END else path for path in ids)
        for one in reference.every_hypothesis(searched.next_log_probs(row), 4, END, 2):
            expected = np.exp(one.log_prob)
            assert counts[one.ids] / 10_000 == pytest.approx(expected, abs=0.016)


def test_scores_are_the_models_own_and_the_best_comes_first() -> None:
    searched = chain(seed=5)
    searched.log_probs[..., 0] = -30.0  # padding is not a token
    options = SamplingSearch(2.0, top_k=4, top_p=0.9, seed=3, num_samples=7)
    found = draw(searched, 5, options)
    scores = to_numpy(found.scores)
    assert np.all(np.diff(scores, axis=1) <= 0)
    assert len(np.unique(scores)) > 10
    for k in range(7):
        targets = to_numpy(found.ids)[:, k]
        forced = forced_decoding(searched.step, searched.state(), searched.start(), targets)
        np.testing.assert_allclose(to_numpy(forced.log_probs).sum(1), scores[:, k], atol=1e-5)
        np.testing.assert_allclose(
            to_numpy(forced.attention), to_numpy(found.attention)[:, k], atol=1e-6
        )


def test_the_same_seed_gives_the_same_samples() -> None:
    searched = chain(seed=5)
    found = [
        to_numpy(draw(searched, 6, SamplingSearch(seed=seed, num_samples=4)).ids)
        for seed in (3, 3, 4, None, None)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.any(found[0] != found[2])
    assert np.any(found[3] != found[4])


def test_no_row_depends_on_its_batch() -> None:
    together, options = chain(seed=11), SamplingSearch(top_p=0.9, seed=5, num_samples=3)
    uniform = options.draw(ROWS, 6)
    np.testing.assert_array_equal(options.draw(2, 6), uniform[:2])
    found = draw(together, 6, options)
    for row in range(ROWS):
        apart = Chain(together.log_probs[row : row + 1])
        apart.attention = together.attention[row : row + 1]
        alone = draw(apart, 6, options, uniform=uniform[row : row + 1])
        for one, all_rows in zip(alone, found, strict=True):
            np.testing.assert_allclose(to_numpy(one)[0], to_numpy(all_rows)[row], atol=1e-6)


@pytest.mark.parametrize("number", [0.0, np.nextafter(np.float32(1), np.float32(0))])
@pytest.mark.parametrize("top_p", [None, 0.6])
def test_the_ends_of_the_random_numbers_are_tokens_that_can_be(
    number: float, top_p: float | None
) -> None:
    searched = one_row({(START,): [0, 0.2, 0, 0.5, 0.3]}, V)
    uniform = np.full((1, 1, 1), number, "float32")
    found = draw(searched, 1, SamplingSearch(top_p=top_p), uniform=uniform)
    last = 1 if top_p is None else 4
    assert to_numpy(found.ids)[0, 0, 0] == (3 if number == 0 else last)
    assert to_numpy(found.scores)[0, 0] > -2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, r"`temperature`.*positive.*Received: temperature=0.0"),
        ({"top_k": 0}, r"`top_k`.*positive.*Received: top_k=0"),
        ({"top_p": 0.0}, r"`top_p`.*above 0.*Received: top_p=0.0"),
        ({"top_p": 1.5}, r"`top_p`.*at most 1.*Received: top_p=1.5"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplingSearch(**options)
    given = {"uniform": np.zeros((1, 1, 3)), "end_id": END, "max_length": 3, **options}
    with pytest.raises(ValueError, match=message):
        sample(None, {}, None, **given)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`num_samples`.*positive.*Received: num_samples=0"):
        SamplingSearch(num_samples=0)
