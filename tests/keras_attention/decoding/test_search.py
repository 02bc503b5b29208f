"""Greedy and beam search over a small chain that can be searched exhaustively.

The chain is of second order (the next token depends on the last two) and every row of the batch has
its own chain, so a search that mixes up rows, hypotheses or their states finds different tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import BeamSearch, GreedySearch, beam_search, greedy_search
from tests import reference
from tests.arrays import to_numpy
from tests.variants import variants

V, S, END, START = 5, 3, 2, 1
ROWS = 3


class Chain:
    """A table of log-probabilities (rows, V, V, V), indexed by row and the last two tokens."""

    def __init__(self, log_probs: np.ndarray) -> None:
        self.log_probs = np.asarray(log_probs, "float32")
        self.rows, self.vocabulary = self.log_probs.shape[:2]
        shape = (*self.log_probs.shape[:3], S)
        self.attention = np.random.default_rng(99).random(shape).astype("float32")
        self.calls = 0

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        self.calls += 1
        place = (state["row"] * self.vocabulary + state["before"]) * self.vocabulary + tokens
        log_probs = ops.take(ops.reshape(self.log_probs, (-1, self.vocabulary)), place, axis=0)
        weights = ops.take(ops.reshape(self.attention, (-1, S)), place, axis=0)
        return log_probs, weights, {"row": state["row"], "before": tokens}

    def state(self) -> dict[str, np.ndarray]:
        # nothing follows an end, so no other two tokens share a line with the start
        before = np.full(self.rows, END, "int32")
        return {"row": np.arange(self.rows, dtype="int32"), "before": before}

    def start(self) -> np.ndarray:
        return np.full(self.rows, START, "int32")

    def places(self, row: int, ids: tuple[int, ...]) -> tuple[int, int, int]:
        before, last = (END, START, *ids)[-2:]
        return row, before, last

    def next_log_probs(self, row: int) -> Callable[[tuple[int, ...]], np.ndarray]:
        return lambda ids: self.log_probs[self.places(row, ids)].astype("float64")


def chain(seed: int, vocabulary: int = V, rows: int = ROWS, sharpness: float = 1.5) -> Chain:
    shape = (rows, vocabulary, vocabulary, vocabulary)
    logits = np.random.default_rng(seed).normal(size=shape) * sharpness
    return Chain(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def one_row(table: dict[tuple[int, ...], list[float]], vocabulary: int) -> Chain:
    """A first-order chain with typed probabilities for each last token; everything else ends."""
    probabilities = np.zeros((1, vocabulary, vocabulary, vocabulary))
    probabilities[..., END] = 1.0
    for (last,), row in table.items():
        probabilities[0, :, last] = row
    with np.errstate(divide="ignore"):
        return Chain(np.log(probabilities))


def greedily(searched: Chain, max_length: int) -> Any:
    return greedy_search(
        searched.step,
        searched.state(),
        searched.start(),
        end_id=END,
        max_length=max_length,
        attention_length=S,
    )


def beams(searched: Chain, max_length: int, width: int, length_penalty: float = 0.0) -> Any:
    return beam_search(
        searched.step,
        searched.state(),
        searched.start(),
        end_id=END,
        max_length=max_length,
        width=width,
        length_penalty=length_penalty,
        attention_length=S,
    )


def check(
    found: Any,
    row: int,
    expected: list[reference.Hypothesis],
    length_penalty: float = 0.0,
    more: Any = 0.0,
) -> None:
    """Check ids, padding, lengths and scores of one row; missing hypotheses must be marked as dead.

    `more` is added to each score.
    """
    ids, lengths, scores = (to_numpy(array)[row] for array in found[:3])
    for place, hypothesis in enumerate(expected):
        length = len(hypothesis.ids)
        assert tuple(ids[place, :length]) == hypothesis.ids, (place, ids[place], hypothesis)
        assert np.all(ids[place, length:] == 0)
        assert lengths[place] == length
    expected_scores = [hypothesis.score(length_penalty) for hypothesis in expected] + np.array(more)
    np.testing.assert_allclose(scores[: len(expected)], expected_scores, atol=2e-5)
    assert np.all(ids[len(expected) :] == 0)
    assert np.all(lengths[len(expected) :] == 0)
    assert np.all(np.isneginf(scores[len(expected) :]))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_likeliest_token(seed: int) -> None:
    searched = chain(seed)
    found = greedily(searched, max_length=7)
    for row in range(ROWS):
        check(found, row, [reference.greedy(searched.next_log_probs(row), END, 7)])


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    searched = chain(seed)
    for one, other in zip(greedily(searched, 7), beams(searched, 7, width=1), strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
def test_a_beam_as_wide_as_all_hypotheses_ranks_them_all(length_penalty: float) -> None:
    searched = chain(seed=7, vocabulary=4)
    # 3 words: 1 + 3 + 9 hypotheses end early, 27 * 4 have the maximal length
    found = beams(searched, max_length=4, width=123, length_penalty=length_penalty)
    for row in range(ROWS):
        every = list(reference.every_hypothesis(searched.next_log_probs(row), 4, END, 4))
        assert len(every) == 121
        every.sort(key=lambda one: -one.score(length_penalty))
        check(found, row, every, length_penalty)


@variants("seed", range(4))
@pytest.mark.parametrize("width", [2, 3, 7])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_a_narrow_beam_equals_a_beam_search_by_hand(
    seed: int, width: int, length_penalty: float
) -> None:
    searched = chain(seed, sharpness=1.0)
    found = beams(searched, 6, width, length_penalty)
    for row in range(ROWS):
        expected = reference.beam(searched.next_log_probs(row), END, 6, width, length_penalty)
        check(found, row, expected, length_penalty)


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    # "a" is likelier than "b" first, but what follows "b" is certain
    searched = one_row({(START,): [0, 0, 0, 0.6, 0.4], (3,): [0, 0, 0.5, 0, 0.5]}, 5)
    assert to_numpy(greedily(searched, 4).ids)[0, 0].tolist()[0] == 3
    found = beams(searched, 4, width=2)
    assert to_numpy(found.ids)[0, 0].tolist() == [4, 2, 0, 0]
    assert to_numpy(found.scores)[0, 0] == pytest.approx(np.log(0.4), rel=1e-5)


def test_the_length_penalty_is_the_one_of_gnmt() -> None:
    searched = one_row({(START,): [0, 0, 0.5, 0.5, 0], (3,): [0, 0, 0.9, 0, 0.1]}, 5)
    plain, favors_long = beams(searched, 4, 3), beams(searched, 4, 3, length_penalty=1.0)
    assert to_numpy(plain.ids)[0, 0].tolist() == [2, 0, 0, 0]
    assert to_numpy(plain.scores)[0, 0] == pytest.approx(np.log(0.5), rel=1e-5)
    assert to_numpy(favors_long.ids)[0, 0].tolist() == [3, 2, 0, 0]
    # length 2 with the end token: log(0.45) / (7 / 6)
    assert to_numpy(favors_long.scores)[0, 0] == pytest.approx(np.log(0.45) * 6 / 7, rel=1e-5)


def test_a_finished_hypothesis_can_be_pushed_out() -> None:
    searched = one_row(
        {
            (START,): [0, 0, 0.20, 0.42, 0.38],
            (3,): [0, 0, 0, 0.51, 0.49],
            (4,): [0, 0, 0, 0.66, 0.34],
        },
        5,
    )
    first = beams(searched, max_length=1, width=3)
    assert to_numpy(first.ids)[0].tolist() == [[3], [4], [2]]
    second = beams(searched, max_length=2, width=3)
    assert to_numpy(second.ids)[0].tolist() == [[4, 3], [3, 3], [3, 4]]
    assert to_numpy(second.lengths)[0].tolist() == [2, 2, 2]


def test_a_finished_hypothesis_is_frozen() -> None:
    searched = one_row({(START,): [0, 0, 0.7, 0.3, 0], (3,): [0, 0, 0.1, 0.9, 0]}, 5)
    for max_length in (1, 2, 5, 11):
        found = beams(searched, max_length, width=2)
        assert to_numpy(found.ids)[0, 0].tolist() == [2] + [0] * (max_length - 1)
        assert to_numpy(found.lengths)[0, 0] == 1
        assert to_numpy(found.scores)[0, 0] == pytest.approx(np.log(0.7), rel=1e-5)


@pytest.mark.parametrize("search", [greedily, lambda chain, n: beams(chain, n, 3, 0.6)])
def test_a_hypothesis_cut_at_the_maximum_has_no_end(search: Callable[..., Any]) -> None:
    searched = one_row({(START,): [0, 0, 0.1, 0.9, 0], (3,): [0, 0, 0.1, 0.9, 0]}, 5)
    found = search(searched, 5)
    assert to_numpy(found.ids)[0, 0].tolist() == [3, 3, 3, 3, 3]
    assert to_numpy(found.lengths)[0, 0] == 5


@pytest.mark.parametrize("length_penalty", [0.0, 0.8])
def test_no_row_depends_on_its_batch(length_penalty: float) -> None:
    together = chain(seed=11)
    together.log_probs[1, :, START] = np.log([0.01, 0.01, 0.96, 0.01, 0.01])  # ends at once
    found = beams(together, 7, 3, length_penalty)
    for row in range(ROWS):
        apart = Chain(together.log_probs[row : row + 1])
        apart.attention = together.attention[row : row + 1]
        alone = beams(apart, 7, 3, length_penalty)
        for one, all_rows in zip(alone, found, strict=True):
            np.testing.assert_allclose(to_numpy(one)[0], to_numpy(all_rows)[row], atol=1e-6)


def test_more_room_does_not_change_a_finished_search() -> None:
    searched = chain(seed=3)
    searched.log_probs[..., END] += 3.0
    searched.log_probs[:, END, START, END] -= 9.0
    short, long = beams(searched, 17, 2), beams(searched, 23, 2)
    assert np.all(to_numpy(short.lengths) < 17)
    np.testing.assert_array_equal(to_numpy(long.ids)[:, :, :17], to_numpy(short.ids))
    np.testing.assert_allclose(to_numpy(long.scores), to_numpy(short.scores), atol=1e-6)


def test_hypotheses_that_do_not_exist_are_marked_as_dead() -> None:
    searched = one_row({(START,): [0, 0, 0.25, 0.75, 0]}, 5)
    found = beams(searched, 4, width=5)
    expected = [
        reference.Hypothesis((3, 2), np.log(0.75)),
        reference.Hypothesis((2,), np.log(0.25)),
    ]
    check(found, 0, expected)
    assert np.all(to_numpy(found.attention)[0, 2:] == 0.0)


def test_of_equals_the_better_ranked_hypothesis_and_the_lower_id_come_first() -> None:
    searched = Chain(np.full((1, V, V, V), -1.5))
    found = beams(searched, max_length=3, width=4)
    expected = [[2, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert to_numpy(found.ids)[0].tolist() == expected
    assert to_numpy(found.lengths)[0].tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize("seed", range(4))
def test_ties_are_broken_as_by_hand(seed: int) -> None:
    table = -np.random.default_rng(seed).integers(1, 4, (ROWS, V, V, V)).astype("float32")
    searched = Chain(table)
    found = beams(searched, 5, width=4)
    for row in range(ROWS):
        check(found, row, reference.beam(searched.next_log_probs(row), END, 5, 4, 0.0))


def test_greedy_takes_the_lower_id_of_equals() -> None:
    found = greedily(Chain(np.full((1, V, V, V), -1.5)), max_length=3)
    assert to_numpy(found.ids)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("width", [None, 1, 4])
def test_the_attention_of_a_hypothesis_follows_its_own_path(width: int | None) -> None:
    searched = chain(seed=5, sharpness=1.0)
    found = greedily(searched, 6) if width is None else beams(searched, 6, width, 0.6)
    ids, lengths, attention = (to_numpy(found[place]) for place in (0, 1, 3))
    assert attention.shape == (*ids.shape, S)
    for row, place in np.ndindex(ids.shape[:2]):
        path = tuple(ids[row, place])
        for t in range(lengths[row, place]):
            expected = searched.attention[searched.places(row, path[:t])]
            np.testing.assert_allclose(attention[row, place, t], expected, atol=1e-6)
        assert np.all(attention[row, place, lengths[row, place] :] == 0.0)


@pytest.mark.parametrize("search", [greedily, lambda chain, n: beams(chain, n, 2, 0.6)])
def test_stops_when_nothing_can_change(search: Callable[..., Any]) -> None:
    searched = one_row({(START,): [0, 0, 0, 0.5, 0.5]}, 5)
    found = search(searched, 1000)
    assert to_numpy(found.lengths)[0, 0] == 2
    assert searched.calls <= 5  # two are enough; some backends trace the step once more


def test_types_and_shapes() -> None:
    for found, width in ((greedily(chain(0), 7), 1), (beams(chain(0), 7, 3), 3)):
        assert to_numpy(found.ids).shape == (ROWS, width, 7)
        assert to_numpy(found.ids).dtype == np.int32
        assert to_numpy(found.lengths).dtype == np.int32
        assert to_numpy(found.scores).dtype == np.float32
        assert to_numpy(found.attention).dtype == np.float32


def test_without_attention() -> None:
    searched = chain(seed=2)

    def step(tokens: Any, state: Any) -> Any:
        log_probs, _, state = searched.step(tokens, state)
        return log_probs, None, state

    arguments = {"end_id": END, "max_length": 5}
    greedy = greedy_search(step, searched.state(), searched.start(), **arguments)
    beam = beam_search(
        step, searched.state(), searched.start(), width=2, length_penalty=0.0, **arguments
    )
    assert greedy.attention is None
    assert beam.attention is None
    np.testing.assert_array_equal(to_numpy(beam.ids), to_numpy(beams(searched, 5, 2).ids))


def test_searches_are_values() -> None:
    assert BeamSearch() == BeamSearch(width=5, length_penalty=0.6)
    assert BeamSearch(width=3) != BeamSearch(width=4)
    assert GreedySearch() == GreedySearch()
    with pytest.raises(AttributeError):
        BeamSearch().width = 7  # type: ignore[misc]


@pytest.mark.parametrize("width", [0, -1])
def test_a_width_below_one_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=rf"`width`.*Received: width={width}"):
        BeamSearch(width=width)
    with pytest.raises(ValueError, match=rf"`width`.*Received: width={width}"):
        beams(chain(0), 5, width=width)


def test_a_negative_length_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`length_penalty`.*Received: length_penalty=-0.5"):
        BeamSearch(length_penalty=-0.5)


def test_a_length_penalty_is_a_number() -> None:
    message = r"`length_penalty` must be a number. Received: length_penalty='0.6'"
    with pytest.raises(TypeError, match=message):
        BeamSearch(length_penalty="0.6")
    searched = chain(0)
    with pytest.raises(TypeError, match=message):
        beam_search(
            searched.step,
            searched.state(),
            searched.start(),
            end_id=END,
            max_length=3,
            length_penalty="0.6",
        )


@pytest.mark.parametrize("search", [greedily, lambda chain, n: beams(chain, n, 2)])
def test_a_maximal_length_below_one_is_refused(search: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"`max_length`.*Received: max_length=0"):
        search(chain(0), 0)
