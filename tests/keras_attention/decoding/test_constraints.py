"""Constraints in greedy and beam search, compared with rules in plain Python on small chains.

A rule takes a row, the ids so far and a token, and says whether the token may follow. If not, it
has no probability in the searches of `tests.reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import (
    AllowedTokens,
    BeamSearch,
    Constraint,
    GreedySearch,
    Hypotheses,
    MinLength,
    NoRepeatedNgram,
    Prefix,
    SamplingSearch,
    Written,
)
from tests import reference
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import END, ROWS, Chain, S, chain, check, one_row

Rule = Callable[[int, tuple[int, ...], int], bool]
Search = GreedySearch | BeamSearch | SamplingSearch

MASK = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1]], bool)
PREFIX = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 0]], "int32")


def repeats(size: int) -> Rule:
    def rule(row: int, ids: tuple[int, ...], token: int) -> bool:
        written = [*ids, token]
        ngrams = [tuple(written[i : i + size]) for i in range(len(written) - size + 1)]
        return len(ngrams) == len(set(ngrams))

    return rule


def begins(row: int, ids: tuple[int, ...], token: int) -> bool:
    prefix = [*PREFIX[row], 0, 0, 0, 0]
    return prefix[len(ids)] in (0, token)


KINDS: dict[str, tuple[tuple[Constraint, ...], list[Rule]]] = {
    "length": ((MinLength(3),), [lambda row, ids, token: token != END or len(ids) >= 2]),
    "unigram": ((NoRepeatedNgram(1),), [repeats(1)]),
    "bigram": ((NoRepeatedNgram(2),), [repeats(2)]),
    "trigram": ((NoRepeatedNgram(3),), [repeats(3)]),
    "allowed": ((AllowedTokens(MASK),), [lambda row, ids, token: bool(MASK[row, token])]),
    "prefix": ((Prefix(PREFIX),), [begins]),
    "all": (
        (MinLength(2), NoRepeatedNgram(2), AllowedTokens(MASK)),
        [
            lambda row, ids, token: token != END or len(ids) >= 1,
            repeats(2),
            lambda row, ids, token: bool(MASK[row, token]),
        ],
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def run(searched: Chain, search: Search, max_length: int, *constraints: Constraint) -> Hypotheses:
    options: dict[str, Any] = {}
    if isinstance(search, SamplingSearch):
        options["uniform"] = search.draw(searched.rows, max_length)
    return search(
        searched.step,
        searched.state(),
        searched.start(),
        end_id=END,
        max_length=max_length,
        attention_length=S,
        constraints=constraints,
        **options,
    )


def ruled(searched: Chain, row: int, rules: list[Rule]) -> reference.NextLogProbs:
    """Log-probabilities of the next token if all rules allow it, otherwise -inf."""

    def look_up(ids: tuple[int, ...]) -> np.ndarray:
        log_probs = searched.next_log_probs(row)(ids)
        allowed = [all(rule(row, ids, token) for rule in rules) for token in range(len(log_probs))]
        return np.where(allowed, log_probs, -np.inf)

    return look_up


@each_kind
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_as_wide_as_all_finds_those_that_are_allowed(
    kind: str, length_penalty: float
) -> None:
    constraints, rules = KINDS[kind]
    searched = chain(seed=7, vocabulary=4)
    found = run(searched, BeamSearch(123, length_penalty), 4, *constraints)
    for row in range(ROWS):
        every = list(reference.every_hypothesis(ruled(searched, row, rules), 4, END, 4))
        allowed = [one for one in every if one.log_prob > -np.inf]
        assert 0 < len(allowed) <= len(every) == 121
        allowed.sort(key=lambda one: -one.score(length_penalty))
        check(found, row, allowed, length_penalty)


@each_kind
@pytest.mark.parametrize("seed", range(2))
def test_a_narrow_beam_equals_a_beam_search_by_hand(kind: str, seed: int) -> None:
    constraints, rules = KINDS[kind]
    searched = chain(seed, vocabulary=4, sharpness=1.0)
    found = run(searched, BeamSearch(3, 0.6), 5, *constraints)
    for row in range(ROWS):
        check(found, row, reference.beam(ruled(searched, row, rules), END, 5, 3, 0.6), 0.6)


@each_kind
def test_greedy_is_a_beam_of_one_and_what_one_does_by_hand(kind: str) -> None:
    constraints, rules = KINDS[kind]
    searched = chain(seed=1, vocabulary=4)
    greedy = run(searched, GreedySearch(), 4, *constraints)
    for one, other in zip(greedy, run(searched, BeamSearch(1, 0.0), 4, *constraints), strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)
    for row in range(ROWS):
        check(greedy, row, [reference.greedy(ruled(searched, row, rules), END, 4)])


def test_no_bigram_twice_typed_out() -> None:
    searched = one_row(
        {(1,): [0, 0, 0, 1, 0], (3,): [0, 0, 0.1, 0.6, 0.3], (4,): [0, 0, 0, 1, 0]}, 5
    )
    plain, blocked = (
        run(searched, GreedySearch(constraints), 7) for constraints in ((), (NoRepeatedNgram(2),))
    )
    assert to_numpy(plain.ids)[0, 0].tolist() == [3, 3, 3, 3, 3, 3, 3]
    assert to_numpy(blocked.ids)[0, 0].tolist() == [3, 3, 4, 3, 2, 0, 0]
    # 3 | 3 after 3 | 4 after 3 | 3 after 4 | the end after 3: scores stay the model's own
    expected = np.log([1.0, 0.6, 0.3, 1.0, 0.1]).sum()
    assert to_numpy(blocked.scores)[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("search", [GreedySearch(), BeamSearch(2, 0.5)])
def test_no_row_depends_on_its_batch(search: Search) -> None:
    together = chain(seed=11, vocabulary=4)
    found = run(together, search, 5, AllowedTokens(MASK), Prefix(PREFIX))
    for row in range(ROWS):
        apart = Chain(together.log_probs[row : row + 1])
        apart.attention = together.attention[row : row + 1]
        constraints = (AllowedTokens(MASK[row : row + 1]), Prefix(PREFIX[row : row + 1]))
        alone = run(apart, search, 5, *constraints)
        for one, all_rows in zip(alone, found, strict=True):
            np.testing.assert_allclose(to_numpy(one)[0], to_numpy(all_rows)[row], atol=1e-6)


def from_the_second_step_on_nothing(allowed: Any, written: Written) -> Any:
    return ops.logical_and(allowed, written.time < 1)


def test_what_has_ended_stays_and_what_cannot_go_on_is_dropped() -> None:
    searched = one_row({(1,): [0, 0, 0.3, 0.5, 0.2]}, 5)
    found = run(searched, BeamSearch(3, 0.0, constraints=(from_the_second_step_on_nothing,)), 4)
    check(found, 0, [reference.Hypothesis((2,), np.log(0.3))])
    assert np.all(to_numpy(found.attention)[0, 1:] == 0.0)


@pytest.mark.parametrize(
    "search", [GreedySearch(), BeamSearch(3, 0.5), SamplingSearch(num_samples=2)]
)
def test_where_nothing_is_left_there_is_no_hypothesis(search: Search) -> None:
    mask = np.ones((ROWS, 4), bool)
    mask[1] = False
    found = run(chain(seed=2, vocabulary=4), search, 5, AllowedTokens(mask))
    check(found, 1, [])
    assert np.all(to_numpy(found.attention)[1] == 0.0)
    assert np.all(to_numpy(found.lengths)[[0, 2], 0] > 0)


def test_a_prefix_wins_over_what_stands_before_it() -> None:
    prefix = Prefix(np.array([[3, 3, 3, 3]] * ROWS, "int32"))
    constraints = (NoRepeatedNgram(1), MinLength(4), AllowedTokens(MASK))
    for search in (GreedySearch(constraints[:2]), BeamSearch(2, constraints=constraints[:2])):
        found = run(chain(seed=2, vocabulary=4), search, 4, AllowedTokens(MASK), prefix)
        assert to_numpy(found.ids)[:, 0].tolist() == [[3, 3, 3, 3]] * ROWS
    ended = run(chain(seed=2, vocabulary=4), GreedySearch(), 5, Prefix(np.array([[3, END]] * ROWS)))
    assert to_numpy(ended.ids)[:, 0].tolist() == [[3, END, 0, 0, 0]] * ROWS


def test_what_is_longer_than_the_maximum_forbids_nothing() -> None:
    searched = chain(seed=4)
    for one, other in zip(
        run(searched, BeamSearch(2), 2),
        run(searched, BeamSearch(2), 2, NoRepeatedNgram(3)),
        strict=True,
    ):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.parametrize("kind", [GreedySearch, BeamSearch, SamplingSearch])
def test_a_minimum_length_above_the_maximum_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"Received: max_length=3, .*MinLength\(length=4\)"):
        run(chain(seed=4), kind(constraints=(MinLength(4),)), 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinLength(0), r"`length`.*positive.*Received: length=0"),
        (lambda: NoRepeatedNgram(-1), r"`size`.*positive.*Received: size=-1"),
    ],
)
def test_a_constraint_that_cannot_be_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("search", [GreedySearch, BeamSearch, SamplingSearch])
@pytest.mark.parametrize("constraints", [[MinLength(2)], (3,), (Prefix(PREFIX),), (MinLength,)])
def test_constraints_are_values(search: Any, constraints: Any) -> None:
    message = r"(?s)`constraints` must be a tuple of hashable.*`generate`.*Received: constraints="
    with pytest.raises(TypeError, match=message):
        search(constraints=constraints)
    assert search(constraints=(MinLength(2),)) == search(constraints=(MinLength(2),))
    assert search(constraints=(MinLength(2),)) != search(constraints=(MinLength(3),))


def test_searches_are_told_as_one_types_them() -> None:
    assert repr(GreedySearch()) == "GreedySearch()"
    assert repr(BeamSearch()) == "BeamSearch(width=5, length_penalty=0.6)"
    assert repr(SamplingSearch(top_k=3)) == "SamplingSearch(temperature=1.0, top_k=3)"
    search = BeamSearch(2, 0.0, groups=2, constraints=(MinLength(3),))
    told = "width=2, length_penalty=0.0, groups=2, constraints=(MinLength(length=3),)"
    assert repr(search) == f"BeamSearch({told})"
