"""States that hold None, targets and searches of length zero, options that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.decoding import (
    beam_search,
    forced_decoding,
    greedy_search,
    sample,
    scheduled_decoding,
)
from keras_attention.decoding.margin import SearchMargin
from tests.arrays import randomize, to_numpy, uniform
from tests.keras_attention.decoding.test_search import END, ROWS, START, S, V, chain
from tests.variants import variants

TARGETS = np.array([[3, 4, 1, 2], [4, 2, 0, 0], [2, 0, 0, 0]])
NUMBERS = np.random.default_rng(5).random((ROWS, 4, 5)).astype("float32")
ENDING = {"end_id": END, "max_length": 5}
RUNS: dict[str, Callable[..., Any]] = {
    "greedy": lambda *x: greedy_search(*x, **ENDING, attention_length=S),
    "beam": lambda *x: beam_search(*x, **ENDING, width=3, attention_length=S),
    "sample": lambda *x: sample(*x, **ENDING, uniform=NUMBERS, attention_length=S),
    "margin": lambda *x: [SearchMargin(2)(*x, **ENDING)],
    "forced": lambda *x: forced_decoding(x[0], x[1], x[2], TARGETS),
    "scheduled": lambda *x: [
        scheduled_decoding(x[0], x[1], TARGETS, TARGETS == 4, NUMBERS[:, 0, : TARGETS.shape[1]])
    ],
}
each_run = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


def assert_equal(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


@each_run
def test_none_passes_through_the_state(run: Callable[..., Any]) -> None:
    searched = chain(seed=3)

    def step(tokens: Any, state: Any) -> Any:
        memory, nothing = state["memory"]
        assert memory.mask is None
        assert nothing is None
        results = searched.step(tokens, {"row": memory.values, "before": state["before"]})
        return *results[:2], {"memory": (memory, None), "before": tokens}

    plain = searched.state()
    state = {
        "memory": (ka.attention.Memory(plain["row"], plain["row"], None), None),
        "before": plain["before"],
    }
    expected = run(searched.step, searched.state(), searched.start())
    assert_equal(run(step, state, searched.start()), expected)


@each_run
@variants("state", [None, (), {"memory": None}])
def test_a_state_without_any_tensor(run: Callable[..., Any], state: Any) -> None:
    table = ops.log_softmax(uniform(V, V, seed=1, scale=2.0))
    weights = ops.convert_to_tensor(uniform(V, S, seed=2))
    given = []

    def step(tokens: Any, own: Any) -> Any:
        given.append(own)
        return ops.take(table, tokens, axis=0), ops.take(weights, tokens, axis=0), own

    def plain(tokens: Any, own: Any) -> Any:
        return *step(tokens, state)[:2], own

    start = np.full(ROWS, START, "int32")
    expected = run(plain, {"row": np.arange(ROWS)}, start)
    assert_equal(run(step, state, start), expected)
    assert all(one == state for one in given)


@each_run
def test_a_step_that_loses_a_tensor_is_told(run: Callable[..., Any]) -> None:
    searched = chain(seed=3)

    def step(tokens: Any, state: Any) -> Any:
        return *searched.step(tokens, state)[:2], {"row": None, "before": tokens}

    with pytest.raises(ValueError, match=r"`step` must return a state of the structure.*Received"):
        run(step, searched.state(), searched.start())


def decoded(decoder: Any, memory: Any, mask: Any, run: Callable[..., Any]) -> Any:
    """Run a search with a decoder's memory and state in the search's state."""
    table = ops.convert_to_tensor(uniform(V, decoder.units, seed=8))

    def step(tokens: Any, state: Any) -> Any:
        inputs = ops.take(table, tokens, axis=0)
        output, weights, after = decoder.step(inputs, state["decoder"], state["memory"])
        log_probs = ops.log_softmax(ops.matmul(output, ops.transpose(table)))
        weights = ops.zeros((ops.shape(tokens)[0], S)) if weights is None else weights
        return log_probs, weights, {"decoder": after, "memory": state["memory"]}

    prepared = decoder.prepare(memory, mask)
    first = decoder.initial_state(prepared, batch_size=ROWS)
    return run(step, {"decoder": first, "memory": prepared}, np.full(ROWS, START, "int32"))


@each_run
def test_a_memory_without_a_mask_is_searched_like_one_without_padding(
    run: Callable[..., Any],
) -> None:
    memory = uniform(ROWS, S, 7, seed=4)
    decoder: Any = ka.AttentionDecoder(
        keras.layers.GRUCell(6),
        ka.attention.MultiSource([ka.BahdanauAttention(4), ka.LuongAttention("general")]),
        attention_layer=keras.layers.Dense(5),
    )
    decoder(uniform(ROWS, 1, 5, seed=6), memory=[memory[:, :1], memory[:, 1:]])
    randomize(decoder, seed=5)
    parts = [memory[:, :1], memory[:, 1:]]
    masks = [np.ones(part.shape[:2], bool) for part in parts]
    expected = decoded(decoder, parts, masks, run)
    assert_equal(decoded(decoder, parts, None, run), expected)
    assert_equal(decoded(decoder, parts, [masks[0], None], run), expected)


@each_run
def test_a_decoder_without_attention_is_searched(run: Callable[..., Any]) -> None:
    decoder: Any = ka.AttentionDecoder(keras.layers.GRUCell(6), None)
    decoder(uniform(ROWS, 1, 6, seed=6))
    randomize(decoder, seed=5)
    found = decoded(decoder, None, None, run)
    assert all(np.all(to_numpy(x) == to_numpy(x)[:1]) for x in found if run is RUNS["greedy"])
    assert np.isfinite(to_numpy(found[-2 if len(found) > 1 else 0])).all()


def test_targets_of_length_zero_have_empty_scores() -> None:
    scored = chain(seed=3)
    found = forced_decoding(scored.step, scored.state(), scored.start(), TARGETS[:, :0])
    assert to_numpy(found.log_probs).shape == (ROWS, 0)
    assert to_numpy(found.attention).shape == (ROWS, 0, S)
    none = TARGETS[:, :0]
    read = scheduled_decoding(scored.step, scored.state(), none, none == 0, none)
    assert to_numpy(read).shape == (ROWS, 0)


def test_a_graph_may_search_for_no_token() -> None:
    zero = ops.convert_to_tensor(0, dtype="int32")
    searched = chain(seed=3)
    given = (searched.step, searched.state(), searched.start())
    for found, width in (
        (greedy_search(*given, end_id=END, max_length=zero), 1),
        (beam_search(*given, end_id=END, max_length=zero, width=2), 2),
    ):
        assert to_numpy(found.ids).shape == (ROWS, width, 0)
        assert np.all(to_numpy(found.lengths) == 0)
        assert np.all(to_numpy(found.scores)[:, 0] == 0.0)


SEARCHES = {
    "greedy": greedy_search,
    "beam": beam_search,
    "sample": lambda *x, **options: sample(*x, uniform=NUMBERS, **options),
    "margin": SearchMargin(2),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_needs_room_for_a_token(search: Any) -> None:
    searched = chain(seed=3)
    with pytest.raises(
        ValueError, match=r"`max_length` must be a positive.*Received: max_length=0"
    ):
        search(searched.step, searched.state(), searched.start(), end_id=END, max_length=0)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("end_id", [(), (2, None), [2], 2.0])
def test_a_search_has_an_end(search: Any, end_id: Any) -> None:
    searched = chain(seed=3)
    with pytest.raises(TypeError, match=r"`end_id` must be an integer.*Received: end_id="):
        search(searched.step, searched.state(), searched.start(), end_id=end_id, max_length=5)


def test_each_of_several_ends() -> None:
    start, a, b = [0, 0, 0, 0.6, 0.4], [0, 0, 0.5, 0.1, 0.4], [0, 0, 0.9, 0.1, 0]
    table = ops.log(ops.convert_to_tensor([a, start, a, a, b], dtype="float32"))

    def step(tokens: Any, state: Any) -> Any:
        return ops.take(table, tokens, axis=0), None, state

    given = (step, (), np.array([1]))
    found = beam_search(*given, end_id=(2, 3), max_length=3, width=3, length_penalty=0.0)
    np.testing.assert_array_equal(found.ids, [[[3, 0, 0], [4, 2, 0], [4, 3, 0]]])
    np.testing.assert_array_equal(found.lengths, [[1, 2, 2]])
    np.testing.assert_allclose(np.exp(to_numpy(found.scores)), [[0.6, 0.36, 0.04]], rtol=1e-5)
    for alone in (
        greedy_search(*given, end_id=(3, 2), max_length=3),
        sample(*given, end_id=(3, 2), max_length=3, uniform=np.full((1, 1, 3), 0.1)),
    ):
        np.testing.assert_array_equal(alone.ids, [[[3, 0, 0]]])
    options = {"end_id": (2, 3), "max_length": 3, "constraints": (ka.decoding.MinLength(2),)}
    np.testing.assert_array_equal(greedy_search(*given, **options).ids, [[[4, 2, 0]]])


@pytest.mark.parametrize("search", [greedy_search, beam_search])
def test_weights_to_record_have_to_come_from_the_step(search: Any) -> None:
    searched = chain(seed=3)

    def step(tokens: Any, state: Any) -> Any:
        log_probs, _, state = searched.step(tokens, state)
        return log_probs, None, state

    given = (step, searched.state(), searched.start())
    with pytest.raises(ValueError, match=r"`attention_length` must be None.*attention_length=3"):
        search(*given, **ENDING, attention_length=S)


def test_sampling_needs_a_random_number_for_each_token() -> None:
    searched = chain(seed=3)
    given = (searched.step, searched.state(), searched.start())
    with pytest.raises(ValueError, match=r"`uniform`.*Received: .*=\(3, 4, 5\), max_length=3"):
        sample(*given, uniform=NUMBERS, end_id=END, max_length=3)


each_search = pytest.mark.parametrize("run", [RUNS[name] for name in ("greedy", "beam", "sample")])


@each_run
@pytest.mark.parametrize(
    ("results", "kind", "message"),
    [
        (lambda found: (found[0], found[2]), TypeError, r"and the state\. Received: a tuple of 2"),
        (lambda found: found[0], TypeError, r"weights or None, and the state\. Received: a "),
        (lambda found: (found[0][:1], *found[1:]), ValueError, r"a row for each.* Received: \(1, "),
        (lambda found: (found[0][:, None], *found[1:]), ValueError, r"log-probabilities \(N, V\)"),
    ],
)
def test_a_step_returns_three_things(
    run: Callable[..., Any], results: Callable[..., Any], kind: Any, message: str
) -> None:
    searched = chain(seed=3)

    def step(tokens: Any, state: Any) -> Any:
        return results(searched.step(tokens, state))

    with pytest.raises(kind, match=rf"`step` must return.*{message}"):
        run(step, searched.state(), searched.start())


@each_search
@pytest.mark.parametrize("start", [1, [1, 1], [[1]] * ROWS])
def test_each_row_starts_with_a_token(run: Callable[..., Any], start: Any) -> None:
    searched = chain(seed=3)
    with pytest.raises(ValueError, match=r"`start_tokens` must be \(B,\), one .* Received: "):
        run(searched.step, searched.state(), np.array(start))


@pytest.mark.parametrize("search", [greedy_search, beam_search])
@pytest.mark.parametrize("end_id", [V, (END, V), -1])
def test_an_end_that_is_no_token_is_refused(search: Any, end_id: Any) -> None:
    searched = chain(seed=3)
    given = (searched.step, searched.state(), searched.start())
    with pytest.raises(ValueError, match=rf"`end_id` must be a token, from 0 to {V - 1}.*Received"):
        search(*given, end_id=end_id, max_length=3)


@pytest.mark.parametrize("search", [greedy_search, beam_search])
def test_the_attention_length_is_that_of_the_weights(search: Any) -> None:
    searched = chain(seed=3)
    given = (searched.step, searched.state(), searched.start())
    with pytest.raises(ValueError, match=r"`attention_length` must be.*attention_length=4, .*3\)"):
        search(*given, **ENDING, attention_length=S + 1)
