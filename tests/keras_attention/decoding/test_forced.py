"""Forced decoding of a small chain, compared with its table and with the results of searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keras_attention.decoding import TargetScores, forced_decoding
from keras_attention.decoding.ranking import length_normalization
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import (
    END,
    ROWS,
    START,
    Chain,
    S,
    V,
    beams,
    chain,
    greedily,
    one_row,
)
from tests.variants import variants

TARGETS = np.array([[3, 4, 1, 2], [4, 2, 0, 0], [2, 0, 0, 0]])


def force(scored: Chain, targets: np.ndarray) -> TargetScores:
    return forced_decoding(scored.step, scored.state(), scored.start(), targets)


def test_typed_out() -> None:
    scored = one_row({(START,): [0, 0, 0.1, 0.2, 0.7], (4,): [0, 0, 0.5, 0.3, 0.2]}, 5)
    found = force(scored, np.array([[4, 3, 2, 0]]))
    expected = [[np.log(0.7), np.log(0.3), 0.0, 0.0]]  # after 3 everything ends
    np.testing.assert_allclose(to_numpy(found.log_probs), expected, atol=1e-6)


def test_every_token_is_looked_up_after_those_before_it() -> None:
    scored = chain(seed=3)
    found = force(scored, TARGETS)
    assert to_numpy(found.attention).shape == (*TARGETS.shape, S)
    for row, t in np.ndindex(TARGETS.shape):
        log_prob, weights = (to_numpy(x)[row, t] for x in found)
        if TARGETS[row, t] == 0:
            assert log_prob == 0.0
            assert np.all(weights == 0.0)
            continue
        place = scored.places(row, tuple(TARGETS[row, :t]))
        assert log_prob == pytest.approx(scored.log_probs[place][TARGETS[row, t]])
        np.testing.assert_allclose(weights, scored.attention[place])


@variants("seed", range(3))
@pytest.mark.parametrize("length_penalty", [0.0, 0.8])
@pytest.mark.parametrize("width", [None, 4])
def test_what_a_search_found_gets_the_score_of_the_search(
    seed: int, length_penalty: float, width: int | None
) -> None:
    searched = chain(seed, sharpness=1.0)
    searched.log_probs[..., 0] = -30.0  # padding is not a token
    penalty = length_penalty if width else 0.0
    found: Any = beams(searched, 6, width, penalty) if width else greedily(searched, 6)
    for k in range(width or 1):
        again = force(searched, to_numpy(found.ids)[:, k])
        total = to_numpy(again.log_probs).sum(axis=1)
        score = total / to_numpy(length_normalization(to_numpy(found.lengths)[:, k], penalty))
        np.testing.assert_allclose(score, to_numpy(found.scores)[:, k], atol=2e-5)
        np.testing.assert_allclose(
            to_numpy(again.attention), to_numpy(found.attention)[:, k], atol=1e-6
        )


def test_no_row_depends_on_its_batch_or_on_more_padding() -> None:
    together = chain(seed=11)
    found = force(together, np.pad(TARGETS, ((0, 0), (0, 3))))
    for row in range(ROWS):
        apart = Chain(together.log_probs[row : row + 1])
        apart.attention = together.attention[row : row + 1]
        alone = force(apart, TARGETS[row : row + 1, : np.count_nonzero(TARGETS[row])])
        length = to_numpy(alone.log_probs).shape[1]
        for one, all_rows in zip(alone, found, strict=True):
            np.testing.assert_allclose(to_numpy(one)[0], to_numpy(all_rows)[row, :length])
            assert np.all(to_numpy(all_rows)[row, length:] == 0.0)


def test_what_cannot_be_has_no_probability() -> None:
    scored = one_row({(START,): [0, 0, 0.5, 0.5, 0]}, 5)
    found = to_numpy(force(scored, np.array([[4, 2, 0]])).log_probs)[0]
    assert found[0] == -np.inf
    assert found[1:].tolist() == [0.0, 0.0]


def test_without_attention() -> None:
    scored = chain(seed=2)

    def step(tokens: Any, state: Any) -> Any:
        log_probs, _, state = scored.step(tokens, state)
        return log_probs, None, state

    found = forced_decoding(step, scored.state(), scored.start(), TARGETS)
    assert found.attention is None
    np.testing.assert_array_equal(
        to_numpy(found.log_probs), to_numpy(force(scored, TARGETS).log_probs)
    )


def test_the_probabilities_of_all_targets_sum_to_one() -> None:
    scored = chain(seed=5, rows=1)
    scored.log_probs[..., 0] = -np.inf
    scored.log_probs -= np.log(np.exp(scored.log_probs).sum(-1, keepdims=True))
    words = [token for token in range(1, V) if token != END]
    targets = [[END, 0, 0], *([a, END, 0] for a in words)]
    targets += [[a, b, c] for a in words for b in words for c in (*words, END)]
    log_probs = [to_numpy(force(scored, np.array([target])).log_probs) for target in targets]
    assert sum(np.exp(one.sum()) for one in log_probs) == pytest.approx(1.0, abs=1e-5)
