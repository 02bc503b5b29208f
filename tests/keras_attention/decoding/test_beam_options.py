"""Beam search with coverage penalty, groups and tfa's lengths, compared with plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keras_attention.decoding import BeamSearch, Hypotheses, beam_search
from tests import reference
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import (
    END,
    ROWS,
    START,
    Chain,
    S,
    beams,
    chain,
    check,
    one_row,
)
from tests.variants import variants

SOURCE = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool)


def search(searched: Chain, max_length: int, options: BeamSearch, **given: Any) -> Hypotheses:
    state, start = searched.state(), searched.start()
    given = {"end_id": END, "max_length": max_length, "attention_length": S, **given}
    return options(searched.step, state, start, **given)


def coverage(searched: Chain, row: int, factor: float, mask: np.ndarray) -> Any:
    """Wu et al. 2016, equation 14: beta * sum_j log(min(sum_t a_tj, 1))."""

    def penalty(ids: tuple[int, ...]) -> float:
        places = [searched.places(row, ids[:t]) for t in range(len(ids))]
        read = np.sum([searched.attention[place] for place in places], axis=0)
        return float(factor * sum(np.log(min(read[j], 1.0)) for j in range(S) if mask[j]))

    return penalty


def thin(searched: Chain) -> Chain:
    """The chain with weights so small that sums over few steps stay below 1."""
    searched.attention *= 0.4
    return searched


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize(("length_penalty", "factor"), [(0.0, 1.1), (0.8, 2.0)])
def test_coverage_equals_a_beam_search_by_hand(
    width: int, length_penalty: float, factor: float
) -> None:
    searched = thin(chain(seed=3, sharpness=1.0))
    options = BeamSearch(width, length_penalty, factor)
    found = search(searched, 5, options, attention_mask=SOURCE)
    plain = beams(searched, 5, width, length_penalty)
    assert np.any(to_numpy(found.ids) != to_numpy(plain.ids)), "the penalty changes something"
    for row in range(ROWS):
        penalty = coverage(searched, row, factor, SOURCE[row])
        logs = searched.next_log_probs(row)
        expected = reference.beam(logs, END, 5, width, length_penalty, penalty)
        check(found, row, expected, length_penalty, [penalty(one.ids) for one in expected])


def test_a_beam_as_wide_as_all_finds_the_best_by_coverage() -> None:
    searched = thin(chain(seed=7, vocabulary=4))
    found = search(searched, 3, BeamSearch(50, 0.6, 1.5), attention_mask=SOURCE)
    for row in range(ROWS):
        penalty = coverage(searched, row, 1.5, SOURCE[row])
        every = list(reference.every_hypothesis(searched.next_log_probs(row), 4, END, 3))
        every.sort(key=lambda one: -one.score(0.6) - penalty(one.ids))
        check(found, row, every, 0.6, [penalty(one.ids) for one in every])


def test_padding_of_the_source_costs_nothing() -> None:
    searched = thin(chain(seed=3))
    searched.attention[..., 2] = 0.0
    options = BeamSearch(3, 0.6, 0.5)
    mask = np.array([[True, True, False]] * ROWS)
    found = search(searched, 5, options, attention_mask=mask)

    def step(tokens: Any, state: Any) -> Any:
        log_probs, weights, state = searched.step(tokens, state)
        return log_probs, weights[:, :2], state

    start = (searched.state(), searched.start())
    shorter = options(step, *start, end_id=END, max_length=5, attention_length=2)
    np.testing.assert_array_equal(to_numpy(found.ids), to_numpy(shorter.ids))
    np.testing.assert_allclose(to_numpy(found.scores), to_numpy(shorter.scores), atol=1e-6)


def test_a_place_that_is_never_read_costs_much_and_not_all() -> None:
    searched = one_row({(START,): [0, 0, 0.5, 0.5, 0]}, 5)
    searched.attention[...] = [1.0, 0.0, 0.5]
    found = search(searched, 1, BeamSearch(1, 0.0, 0.1))
    expected = np.log(0.5) + 0.1 * (np.log(1.0) + np.log(1e-6) + np.log(0.5))
    assert to_numpy(found.scores)[0, 0] == pytest.approx(expected, rel=1e-5)


def test_coverage_without_attention_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`coverage_penalty` needs.*coverage_penalty=0.2, atten"):
        search(chain(0), 3, BeamSearch(2, 0.0, 0.2), attention_length=None)


@variants("length_penalty", [0.0, 0.7])
@pytest.mark.parametrize(("width", "groups"), [(2, 2), (6, 3), (6, 2)])
@pytest.mark.parametrize("diversity", [0.0, 0.9])
def test_groups_equal_groups_by_hand(
    length_penalty: float, width: int, groups: int, diversity: float
) -> None:
    searched = chain(seed=7, sharpness=1.0)  # without ties
    options = BeamSearch(width, length_penalty, groups=groups, diversity=diversity)
    found = search(searched, 5, options)
    sizes = [width // groups] * groups
    for row in range(ROWS):
        logs = searched.next_log_probs(row)
        expected = reference.diverse_beams(logs, END, 5, sizes, length_penalty, diversity)
        check(found, row, expected, length_penalty)


def test_groups_typed_out() -> None:
    searched = one_row({(START,): [0, 0, 0, 0.6, 0.4], (3,): [0, 0, 0.9, 0.1, 0]}, 5)
    same = search(searched, 3, BeamSearch(2, 0.0, groups=2))
    other = search(searched, 3, BeamSearch(2, 0.0, groups=2, diversity=0.5))
    assert to_numpy(same.ids)[0].tolist() == [[3, 2, 0], [3, 2, 0]]
    # 3 costs the second group 0.5 in the first step: log 0.6 - 0.5 < log 0.4
    assert to_numpy(other.ids)[0].tolist() == [[3, 2, 0], [4, 2, 0]]
    expected = np.log([[0.54, 0.4]])
    np.testing.assert_allclose(to_numpy(other.scores), expected, rtol=1e-5)


def test_one_group_is_a_plain_beam() -> None:
    searched = chain(seed=6)
    found = search(searched, 6, BeamSearch(3, 0.6, groups=1, diversity=5.0))
    for one, plain in zip(found, beams(searched, 6, 3, 0.6), strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(plain))


@pytest.mark.parametrize(
    "options", [BeamSearch(4, 0.6, groups=2, diversity=0.7), BeamSearch(3, 0.6, 0.4)]
)
def test_no_row_depends_on_its_batch(options: BeamSearch) -> None:
    together = thin(chain(seed=11))
    found = search(together, 5, options, attention_mask=SOURCE)
    for row in range(ROWS):
        apart = Chain(together.log_probs[row : row + 1])
        apart.attention = together.attention[row : row + 1]
        alone = search(apart, 5, options, attention_mask=SOURCE[row : row + 1])
        for one, all_rows in zip(alone, found, strict=True):
            np.testing.assert_allclose(to_numpy(one)[0], to_numpy(all_rows)[row], atol=1e-6)


def test_the_attention_of_a_hypothesis_of_a_group_follows_its_own_path() -> None:
    searched = chain(seed=5)
    found = search(searched, 4, BeamSearch(4, 0.0, groups=2, diversity=0.7))
    ids, lengths, attention = (to_numpy(found[place]) for place in (0, 1, 3))
    for row, place in np.ndindex(ids.shape[:2]):
        for t in range(lengths[row, place]):
            expected = searched.attention[searched.places(row, tuple(ids[row, place, :t]))]
            np.testing.assert_allclose(attention[row, place, t], expected, atol=1e-6)


def test_tfa_counts_the_end_token_one_step_later() -> None:
    table = np.zeros((2, 5, 5, 5))
    table[:, :, START, END] = table[1, :, 3, END] = 0.5  # both can end at once, the second later
    table[:, :, START, 3] = table[:, :, 3, 3] = 0.5
    table[0, :, START] = [0, 0, 1, 0, 0]
    with np.errstate(divide="ignore"):
        searched = Chain(np.log(table))
    options = BeamSearch(1, 1.0, imitate_tfa_lengths=True)
    # a row alone: the end token is its first and last step, and has no length yet
    alone = Chain(searched.log_probs[:1] + np.float32(np.log(0.5)))
    assert to_numpy(search(alone, 3, options).scores)[0, 0] == pytest.approx(np.log(0.5) * 6 / 5)
    # next to an unfinished row it is scored again, with length 1
    searched.log_probs[0] += np.float32(np.log(0.5))
    searched.log_probs[1, :, START] = np.log([1e-9, 1e-9, 0.1, 0.8, 1e-9])
    together = search(searched, 3, options)
    assert to_numpy(together.scores)[0, 0] == pytest.approx(np.log(0.5))
    assert to_numpy(together.lengths)[:, 0].tolist()[0] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage_penalty": -0.1}, r"`coverage_penalty`.*Received: coverage_penalty=-0.1"),
        ({"diversity": -1.0}, r"`diversity`.*Received: diversity=-1.0"),
        ({"groups": 0}, r"`groups`.*positive.*Received: groups=0"),
        ({"width": 4, "groups": 3}, r"`width`.*multiple.*Received: width=4, groups=3"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BeamSearch(**options)


def test_groups_that_cannot_be_are_refused_by_the_function() -> None:
    with pytest.raises(ValueError, match=r"`width`.*multiple.*Received: width=3, groups=2"):
        beam_search(*[None] * 3, end_id=END, max_length=3, width=3, groups=2)
