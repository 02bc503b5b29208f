"""The attention decoder: its formula, step by step and all at once, with every option."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import dtype_policy, length_mask, randomize, to_numpy, uniform
from tests.variants import each_execution, variants

B, T, S, D, M, U, A, L = 2, 5, 7, 3, 11, 13, 17, 19
LENGTHS = [7, 4]

CELLS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: keras.layers.LSTMCell(U),
    "gru": lambda: keras.layers.GRUCell(U),
    "stacked": lambda: [keras.layers.GRUCell(5), keras.layers.LSTMCell(U)],
}
STATE_SIZES = {"lstm": [[U, U]], "gru": [[U]], "stacked": [[5], [U, U]]}
SCORES: dict[str, Callable[[], Any]] = {
    "bahdanau": lambda: ka.BahdanauAttention(A),
    "general": lambda: ka.LuongAttention("general", scale=True),
    "concat": lambda: ka.LuongAttention("concat", units=A),
}
FEEDING = {"current": [True, False], "previous": [False]}
MATRIX = [
    (query, feeding, with_layer, cell, score)
    for query, with_layer, cell, score in product(
        ["current", "previous"], [True, False], CELLS, SCORES
    )
    for feeding in ([True, False] if query == "current" or with_layer else [False])
]
DIAGONAL = [case for case in MATRIX if list(CELLS).index(case[3]) == list(SCORES).index(case[4])]
"""All arrangements, with each cell and each score once in each."""


def new(query: str, feeding: bool, with_layer: bool, cell: str, score: str) -> Any:
    layer = keras.layers.Dense(L, activation="tanh", use_bias=False) if with_layer else None
    return ka.AttentionDecoder(
        CELLS[cell](), SCORES[score](), query=query, input_feeding=feeding, attention_layer=layer
    )


def usual(**options: Any) -> Any:
    """The decoder of most tests: Luong's, with input feeding and random weights."""
    options = {
        "attention": ka.LuongAttention("general"),
        "attention_layer": keras.layers.Dense(L, activation="tanh"),
        **options,
    }
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(U), **options)
    decoder(inputs(), memory=memory() if decoder.attention is not None else None)
    randomize(decoder, seed=5)
    return decoder


def inputs() -> np.ndarray:
    return uniform(B, T, D, seed=1)


def memory() -> np.ndarray:
    return uniform(B, S, M, seed=2)


def states(cell: str) -> list[np.ndarray]:
    sizes = [size for part in STATE_SIZES[cell] for size in part]
    return [uniform(B, size, seed=3 + place) for place, size in enumerate(sizes)]


def reference_cell(decoder: Any, cell: str) -> reference.Cell:
    layers = decoder.cell if isinstance(decoder.cell, list) else [decoder.cell]
    kinds = {keras.layers.LSTMCell: reference.lstm, keras.layers.GRUCell: reference.gru}
    cells = []
    for layer in layers:
        weights = [to_numpy(weight).astype("float64") for weight in layer.weights]
        cells.append(kinds[type(layer)](*weights))
    return reference.stacked(cells, [len(sizes) for sizes in STATE_SIZES[cell]])


def reference_attend(decoder: Any, score: str, b: int) -> reference.Attend:
    attention, values, mask = decoder.attention, memory()[b], length_mask(LENGTHS, S)[b]
    kernel = to_numpy(attention.key_kernel).astype("float64")

    def scores(query: np.ndarray) -> np.ndarray:
        if score == "general":
            return to_numpy(attention.g) * reference.general(query, values, kernel)
        v, query_kernel = to_numpy(attention.v), to_numpy(attention.query_kernel)
        return reference.additive(query, values, v, query_kernel, kernel)

    return lambda query: reference.attend(scores(query), values, mask)


@variants(("query", "feeding", "with_layer", "cell", "score"), MATRIX, core=DIAGONAL)
def test_equals_the_numpy_reference_at_once_and_step_by_step(
    query: str, feeding: bool, with_layer: bool, cell: str, score: str
) -> None:
    decoder = new(query, feeding, with_layer, cell, score)
    mask, start = length_mask(LENGTHS, S), states(cell)
    arguments = {"memory": memory(), "memory_mask": mask, "initial_state": start}
    decoder(inputs(), **arguments)
    randomize(decoder, seed=7)
    outputs, weights, *last = decoder(
        inputs(), return_attention_scores=True, return_state=True, **arguments
    )

    dense = decoder.attention_layer
    kernel = to_numpy(dense.kernel).astype("float64") if with_layer else None
    for b in range(B):
        expected, expected_weights, expected_last = reference.decode(
            reference_cell(decoder, cell),
            inputs()[b].astype("float64"),
            [state[b].astype("float64") for state in start],
            reference_attend(decoder, score, b),
            query=query,
            query_index=sum(len(sizes) for sizes in STATE_SIZES[cell][:-1]),
            feed_size=(L if with_layer else M) if feeding else 0,
            layer=(lambda joined: np.tanh(joined @ kernel)) if with_layer else None,
        )
        np.testing.assert_allclose(to_numpy(outputs)[b], expected, atol=5e-6)
        np.testing.assert_allclose(to_numpy(weights)[b], expected_weights, atol=5e-6)
        for state, expected_state in zip(last[: len(start)], expected_last, strict=True):
            np.testing.assert_allclose(to_numpy(state)[b], expected_state, atol=5e-6)

    prepared = decoder.attention.prepare(memory(), value_mask=mask)
    state = decoder.initial_state(prepared, start)
    for t in range(T):
        output, step_weights, state = decoder.step(inputs()[:, t], state, prepared)
        np.testing.assert_allclose(to_numpy(output), to_numpy(outputs)[:, t], atol=2e-6)
        np.testing.assert_allclose(to_numpy(step_weights), to_numpy(weights)[:, t], atol=2e-6)
    for one, other in zip(state, last, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=2e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("with_layer", [True, False])
def test_without_attention_it_is_a_plain_decoder(cell: str, with_layer: bool) -> None:
    dense = keras.layers.Dense(L, use_bias=False) if with_layer else None
    decoder: Any = ka.AttentionDecoder(CELLS[cell](), None, attention_layer=dense)
    start = states(cell)
    decoder(inputs(), initial_state=start)
    randomize(decoder, seed=7)
    outputs, *last = decoder(inputs(), initial_state=start, return_state=True)
    kernel = to_numpy(dense.kernel) if dense is not None else np.eye(U)
    for b in range(B):
        expected, _, expected_last = reference.decode(
            reference_cell(decoder, cell),
            inputs()[b].astype("float64"),
            [state[b].astype("float64") for state in start],
        )
        np.testing.assert_allclose(to_numpy(outputs)[b], expected @ kernel, atol=5e-6)
        for state, expected_state in zip(last, expected_last, strict=True):
            np.testing.assert_allclose(to_numpy(state)[b], expected_state, atol=5e-6)

    state = decoder.initial_state(None, start)
    for t in range(T):
        output, weights, state = decoder.step(inputs()[:, t], state, None)
        assert weights is None
        np.testing.assert_allclose(to_numpy(output), to_numpy(outputs)[:, t], atol=2e-6)


@pytest.mark.parametrize(
    ("query", "with_layer", "feeds"),
    [("current", True, L), ("current", False, M), ("previous", True, 0), ("previous", False, 0)],
)
def test_input_feeding_is_usual_for_current_only(query: str, with_layer: bool, feeds: int) -> None:
    layer = keras.layers.Dense(L) if with_layer else None
    decoder = usual(query=query, attention_layer=layer)
    context = M if query == "previous" else 0
    assert tuple(decoder.cell.kernel.shape) == (D + context + feeds, 4 * U)
    state = decoder.initial_state(decoder.attention.prepare(memory()))
    assert [part.shape[-1] for part in state] == [U, U] + [feeds] * (feeds > 0)


def test_a_decode_starts_at_zero_and_goes_on_from_its_state() -> None:
    decoder = usual()
    whole = decoder(inputs(), memory=memory())
    zeros = [np.zeros((B, U), "float32")] * 2
    from_zeros = decoder(inputs(), memory=memory(), initial_state=zeros)
    np.testing.assert_allclose(to_numpy(from_zeros), to_numpy(whole), atol=1e-6)
    first, *state = decoder(inputs()[:, :2], memory=memory(), return_state=True)
    second = decoder(inputs()[:, 2:], memory=memory(), initial_state=state)
    both = np.concatenate([to_numpy(first), to_numpy(second)], axis=1)
    np.testing.assert_allclose(both, to_numpy(whole), atol=2e-6)


def test_what_is_asked_for_comes_in_order() -> None:
    decoder = usual()
    outputs = decoder(inputs(), memory=memory())
    assert tuple(outputs.shape) == (B, T, L)
    results = decoder(inputs(), memory=memory(), return_attention_scores=True)
    assert [tuple(result.shape) for result in results] == [(B, T, L), (B, T, S)]
    results = decoder(inputs(), memory=memory(), return_state=True)
    assert [tuple(result.shape) for result in results] == [(B, T, L), (B, U), (B, U), (B, L)]


@pytest.mark.parametrize("query", ["current", "previous"])
def test_interleaved_decodes_equal_separate_ones(query: str) -> None:
    decoder = usual(query=query)
    results = {}
    for name, seed in (("one", 11), ("other", 12)):
        prepared = decoder.attention.prepare(uniform(B, S + seed, M, seed=seed))
        state, outputs = decoder.initial_state(prepared), []
        for t in range(T):
            output, _, state = decoder.step(inputs()[:, t], state, prepared)
            outputs.append(to_numpy(output))
        results[name] = outputs

    running = {}
    for name, seed in (("one", 11), ("other", 12)):
        prepared = decoder.attention.prepare(uniform(B, S + seed, M, seed=seed))
        running[name] = (prepared, decoder.initial_state(prepared))
    for t in range(T):
        for name, (prepared, state) in running.items():
            output, _, state = decoder.step(inputs()[:, t], state, prepared)
            running[name] = (prepared, state)
            np.testing.assert_allclose(to_numpy(output), results[name][t], atol=1e-6)


@pytest.mark.parametrize("feeding", [True, False])
def test_padding_of_the_memory_changes_nothing(feeding: bool) -> None:
    decoder, mask = usual(input_feeding=feeding), length_mask(LENGTHS, S)
    outputs = to_numpy(decoder(inputs(), memory=memory(), memory_mask=mask))
    for b, length in enumerate(LENGTHS):
        alone = decoder(inputs()[b : b + 1], memory=memory()[b : b + 1, :length])
        np.testing.assert_allclose(outputs[b], to_numpy(alone)[0], atol=2e-6)


@pytest.mark.parametrize("feeding", [True, False])
def test_a_row_with_nothing_to_attend_is_finite(feeding: bool) -> None:
    decoder, mask = usual(input_feeding=feeding), length_mask([0, 4], S)
    outputs, weights = decoder(
        inputs(), memory=memory(), memory_mask=mask, return_attention_scores=True
    )
    assert np.isfinite(to_numpy(outputs)).all()
    assert np.all(to_numpy(weights)[0] == 0.0)


@pytest.mark.parametrize("feeding", [True, False])
def test_masks_of_embeddings_arrive_and_lengths_are_dynamic(feeding: bool) -> None:
    decoder = usual(input_feeding=feeding)
    words, letters = (keras.layers.Embedding(23, size, mask_zero=True) for size in (D, M))
    target, source = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    results = decoder(words(target), memory=letters(source), return_attention_scores=True)
    model = keras.Model([target, source], list(results))
    for target_ids, source_ids in (
        (np.array([[4, 5, 6]]), np.array([[7, 8, 9, 10, 11]])),
        (np.array([[4, 5], [6, 7]]), np.array([[8, 9, 10], [11, 0, 0]])),
    ):
        outputs, weights = model.predict([target_ids, source_ids], verbose=0)
        expected = decoder(
            to_numpy(words(target_ids)),
            memory=to_numpy(letters(source_ids)),
            memory_mask=source_ids != 0,
        )
        np.testing.assert_allclose(outputs, to_numpy(expected), atol=2e-6)
        assert np.all(weights[np.broadcast_to((source_ids == 0)[:, None], weights.shape)] == 0.0)


def test_padding_of_the_target_leaves_the_state_alone() -> None:
    for feeding in (True, False):
        decoder = usual(input_feeding=feeding)
        mask = length_mask([T, 2], T)
        _, *state = decoder(inputs(), memory=memory(), inputs_mask=mask, return_state=True)
        _, *short = decoder(inputs()[:, :2], memory=memory(), return_state=True)
        for one, other in zip(state, short, strict=True):
            np.testing.assert_allclose(to_numpy(one)[1], to_numpy(other)[1], atol=1e-6)


@pytest.mark.parametrize("feeding", [True, False])
def test_dropout_is_for_training_only(feeding: bool) -> None:
    decoder = usual(attention=ka.LuongAttention("general", dropout=0.6), input_feeding=feeding)
    still = to_numpy(decoder(inputs(), memory=memory()))
    again = to_numpy(decoder(inputs(), memory=memory(), training=False))
    np.testing.assert_allclose(again, still, atol=1e-6)
    one, other = (to_numpy(decoder(inputs(), memory=memory(), training=True)) for _ in range(2))
    assert np.abs(one - still).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3
    different = np.abs(one - still).max(axis=(0, 2))
    assert np.all(different > 1e-6)  # every step drops


@pytest.mark.parametrize("feeding", [True, False])
def test_dropout_of_the_cell_is_for_training_only(feeding: bool) -> None:
    cell = keras.layers.LSTMCell(U, dropout=0.4, recurrent_dropout=0.3)
    decoder = ka.AttentionDecoder(cell, ka.LuongAttention("general"), input_feeding=feeding)
    still = to_numpy(decoder(inputs(), memory=memory()))
    one, other = (to_numpy(decoder(inputs(), memory=memory(), training=True)) for _ in range(2))
    assert np.abs(one - still).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_allclose(to_numpy(decoder(inputs(), memory=memory())), still, atol=1e-6)


TRAINED = [
    ("current", True, "general"),
    ("current", False, "bahdanau"),
    ("previous", False, "bahdanau"),
]


@variants(("query", "feeding", "score"), TRAINED, core=(TRAINED[0], TRAINED[-1]))
@each_execution
def test_a_step_of_training_reaches_every_weight(
    query: str, feeding: bool, score: str, execution: dict[str, bool]
) -> None:
    decoder = new(query, feeding, True, "lstm", score)
    target, source = keras.Input((None, D)), keras.Input((None, M))
    model = keras.Model([target, source], decoder(target, memory=source))
    randomize(decoder, seed=7)
    before = [to_numpy(weight).copy() for weight in decoder.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), "mse", **execution)
    wanted = uniform(B, T, L, seed=9)
    loss = model.train_on_batch([inputs(), memory()], wanted)
    for old, weight in zip(before, decoder.trainable_weights, strict=True):
        assert np.abs(to_numpy(weight) - old).max() > 0.0, weight.path
    assert model.train_on_batch([inputs(), memory()], wanted) < loss


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@variants(("query", "feeding", "score"), TRAINED, core=(TRAINED[0], TRAINED[-1]))
def test_low_precision_is_close(policy: str, query: str, feeding: bool, score: str) -> None:
    decoder = new(query, feeding, True, "lstm", score)
    decoder(inputs(), memory=memory())
    randomize(decoder, seed=7)
    with dtype_policy(policy):
        low = new(query, feeding, True, "lstm", score)
    mask = length_mask(LENGTHS, S)
    low(inputs(), memory=memory())
    low.set_weights(decoder.get_weights())
    expected = to_numpy(decoder(inputs(), memory=memory(), memory_mask=mask))
    outputs = low(inputs(), memory=memory(), memory_mask=mask)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy.removeprefix("mixed_")
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=5e-2)
    prepared = low.attention.prepare(memory(), value_mask=mask)
    output = low.step(inputs()[:, 0], low.initial_state(prepared), prepared)[0]
    np.testing.assert_allclose(to_numpy(output), expected[:, 0], atol=5e-2)


def test_the_layer_keeps_nothing_of_a_batch() -> None:
    decoder = usual()
    before = set(vars(decoder)), set(vars(decoder.attention))
    decoder(inputs(), memory=memory(), memory_mask=length_mask(LENGTHS, S))
    assert (set(vars(decoder)), set(vars(decoder.attention))) == before
    arrays = [value for value in vars(decoder).values() if keras.ops.is_tensor(value)]
    assert arrays == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "next"}, r"`query`.*current.*previous.*Received: query='next'"),
        (
            {"query": "previous", "input_feeding": True, "attention_layer": None},
            r"attention_layer.*Received: .*input_feeding=True",
        ),
        ({"attention": None, "input_feeding": True}, r"`input_feeding`.*Received: .*True"),
    ],
)
def test_refuses_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    arguments = {"attention": ka.LuongAttention("dot"), **options}
    with pytest.raises(ValueError, match=message):
        ka.AttentionDecoder(keras.layers.LSTMCell(U), **arguments)


def test_refuses_what_is_no_cell() -> None:
    with pytest.raises(TypeError, match=r"`cell`.*Received: "):
        ka.AttentionDecoder("lstm", None)


@pytest.mark.parametrize("cell", [keras.layers.ConvLSTM2D(3, 3).cell])
def test_refuses_a_cell_whose_states_are_no_vectors(cell: Any) -> None:
    with pytest.raises(TypeError, match=r"`cell`.*`state_size`.*positive integers.*Received: "):
        ka.AttentionDecoder(cell, None)


def test_refuses_a_list_of_inputs_and_memory() -> None:
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(U), ka.BahdanauAttention(A))
    message = r"`inputs` must be one tensor; .* names of their arguments. Received: 2 tensors"
    with pytest.raises(ValueError, match=message):
        decoder([inputs(), memory()])


@pytest.mark.parametrize("method", ["initial_state", "step"])
def test_each_call_by_itself_refuses_a_memory_that_was_not_prepared(method: str) -> None:
    decoder = usual()
    raw, state = memory(), decoder.initial_state(decoder.prepare(memory()))
    given = {"initial_state": [raw], "step": [inputs()[:, 0], state, raw]}
    with pytest.raises(TypeError, match=r"`memory` must come from `prepare`.*Received: memory="):
        getattr(decoder, method)(*given[method])


def test_refuses_weights_without_attention() -> None:
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(U), None)
    with pytest.raises(ValueError, match=r"`return_attention_scores`.*Received: .*True"):
        decoder(inputs(), return_attention_scores=True)


def test_refuses_a_memory_that_is_missing_or_too_much() -> None:
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(U), ka.BahdanauAttention(A))
    with pytest.raises(ValueError, match=r"`memory`.*Received: memory=None"):
        decoder(inputs())
    plain = ka.AttentionDecoder(keras.layers.LSTMCell(U), None)
    with pytest.raises(ValueError, match=r"`memory`.*Received: .*attention=None"):
        plain(inputs(), memory=memory())


@pytest.mark.parametrize("method", ["prepare", "initial_state", "step"])
def test_each_call_by_itself_refuses_a_memory_that_is_missing(method: str) -> None:
    decoder = usual()
    arguments: dict[str, list[Any]] = {
        "prepare": [None],
        "initial_state": [None],
        "step": [inputs()[:, 0], [], None],
    }
    with pytest.raises(ValueError, match=r"`memory` must be given.*Received: memory=None"):
        getattr(decoder, method)(*arguments[method])


@pytest.mark.parametrize("kind", ["one", "heads", "sources"])
def test_prepare_reads_the_mask_that_keras_attached(kind: str) -> None:
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    embedded = keras.layers.Embedding(6, 4, mask_zero=True)(ids)
    made = {
        "one": ka.BahdanauAttention(3),
        "heads": ka.attention.MultiHead(ka.BahdanauAttention(3), num_heads=2),
        "sources": ka.attention.MultiSource(
            [ka.BahdanauAttention(3), ka.LuongAttention("general")]
        ),
    }
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(4), made[kind])
    given = [embedded, embedded] if kind == "sources" else embedded
    inputs = uniform(2, 1, 4, seed=1)
    _, expected = decoder(inputs, memory=given, return_attention_scores=True)
    prepared = decoder.prepare(given)
    _, weights, _ = decoder.step(inputs[:, 0], decoder.initial_state(prepared), prepared)
    np.testing.assert_allclose(to_numpy(weights), to_numpy(expected)[:, 0], atol=1e-6)
    assert np.all(to_numpy(weights)[1, 1:4] == 0.0)


def test_a_memory_is_prepared_only_if_it_is_like_the_one_that_the_layer_was_built_for() -> None:
    with pytest.raises(ValueError, match=r"`memory` must have the 11 features.*Received: memory"):
        usual().prepare(uniform(B, S, 12, seed=2))


def test_refuses_a_state_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"`initial_state`.*2.*3.*Received: 1 state"):
        usual()(inputs(), memory=memory(), initial_state=[np.zeros((B, U), "float32")])
    _, *both = ka.BiLSTMEncoder(U - 1)(memory())
    with pytest.raises(ValueError, match=r"`initial_state`.*`Bridge`.*Received: 4 states"):
        usual()(inputs(), memory=memory(), initial_state=both)


def test_refuses_inputs_of_another_batch_than_the_memory() -> None:
    with pytest.raises(ValueError, match=r"batch.*Received: "):
        usual()(inputs()[:1], memory=memory())


def test_refuses_a_memory_mask_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"mask`.*Received: "):
        usual()(inputs(), memory=memory(), memory_mask=np.ones((B, S + 1), bool))


@pytest.mark.parametrize("name", ["inputs_mask", "memory_mask"])
def test_refuses_a_mask_of_numbers(name: str) -> None:
    mask = np.ones((B, T if name == "inputs_mask" else S), "float32")
    with pytest.raises(ValueError, match=rf"`{name}` must be boolean.*Received: {name} of float32"):
        usual()(inputs(), memory=memory(), **{name: mask})


@pytest.mark.parametrize("attention_layer", [[keras.layers.Dense(3)], 3, keras.layers.Dense])
def test_an_attention_layer_is_one_layer(attention_layer: Any) -> None:
    with pytest.raises(TypeError, match=r"`attention_layer` must be an instance of Layer or None"):
        ka.AttentionDecoder(keras.layers.LSTMCell(3), None, attention_layer=attention_layer)


@pytest.mark.parametrize("query", ["previous", "current"])
@pytest.mark.parametrize("attends", [True, False])
def test_a_target_has_a_step(query: Any, attends: bool) -> None:
    attention = ka.BahdanauAttention(4) if attends else None
    memory = {"memory": np.ones((2, 5, 7), "float32")} if attends else {}
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(3), attention, query, input_feeding=False)
    with pytest.raises(ValueError, match=r"`inputs` must have at least one.*shape=\(2, 0, 3\)"):
        decoder(np.ones((2, 0, 3), "float32"), **memory)


def test_cell_states_may_be_nested_as_keras_nests_them() -> None:
    cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]
    decoder: Any = ka.AttentionDecoder(cells, ka.BahdanauAttention(4))
    inputs, memory = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 7), "float32")
    h, c, d = (np.full((2, n), 0.1 * n, "float32") for n in (3, 3, 2))
    flat = decoder(inputs, memory=memory, initial_state=[h, c, d])
    nested = decoder(inputs, memory=memory, initial_state=[[h, c], d])
    np.testing.assert_array_equal(np.asarray(flat), np.asarray(nested))
