"""Decoders with attention between the cells: conditional GRU and GNMT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import dtype_policy, length_mask, randomize, to_numpy, uniform

B, T, S, D, M, U, A, L = 2, 5, 7, 3, 11, 13, 17, 19
LENGTHS = [7, 4]
LSTM, GRU = keras.layers.LSTMCell, keras.layers.GRUCell
CELLS: dict[str, Callable[[], list[Any]]] = {
    "grus": lambda: [GRU(U), GRU(U)],
    "lstms": lambda: [LSTM(U), LSTM(U)],
    "with one above": lambda: [LSTM(U), LSTM(U), GRU(5)],
    "different": lambda: [GRU(5), LSTM(U), GRU(7)],
}
MATRIX = [
    (query, cells, feeding, with_layer)
    for query, cells in (
        ("between", "grus"),
        ("between", "lstms"),
        ("between", "with one above"),
        ("bottom", "grus"),
        ("bottom", "different"),
    )
    for feeding, with_layer in ((False, False), (True, False), (True, True))
]
each_case = pytest.mark.parametrize(("query", "cells", "feeding", "with_layer"), MATRIX)


def new(query: str, cells: str, feeding: bool = False, with_layer: bool = False) -> Any:
    layer = keras.layers.Dense(L, activation="tanh", use_bias=False) if with_layer else None
    attention = ka.BahdanauAttention(A)
    made: Any = ka.AttentionDecoder(CELLS[cells](), attention, query, feeding, layer)
    made.build((B, T, D), (B, S, M))
    randomize(made, seed=7)
    return made


def inputs() -> np.ndarray:
    return uniform(B, T, D, seed=1)


def memory() -> np.ndarray:
    return uniform(B, S, M, seed=2)


def reference_cells(cells: Sequence[Any]) -> list[reference.Cell]:
    kinds = {LSTM: reference.lstm, GRU: reference.gru}
    return [
        kinds[type(cell)](*(to_numpy(weight).astype("float64") for weight in cell.weights))
        for cell in cells
    ]


def expected_of(decoder: Any, states: list[list[np.ndarray]], b: int, feed_size: int) -> Any:
    attention, values, mask = decoder.attention, memory()[b], length_mask(LENGTHS, S)[b]
    weights = [to_numpy(x) for x in (attention.v, attention.query_kernel, attention.key_kernel)]

    def attend(query: np.ndarray) -> Any:
        return reference.attend(reference.additive(query, values, *weights), values, mask)

    layer = decoder.attention_layer
    kernel = None if layer is None else to_numpy(layer.kernel).astype("float64")
    return reference.decode_inside(
        reference_cells(decoder.cells),
        inputs()[b].astype("float64"),
        [[state[b].astype("float64") for state in own] for own in states],
        attend,
        query=decoder.query,
        feed_size=feed_size,
        layer=None if kernel is None else lambda joined: np.tanh(joined @ kernel),
    )


@each_case
def test_equals_the_numpy_reference_at_once_and_step_by_step(
    query: str, cells: str, feeding: bool, with_layer: bool
) -> None:
    decoder = new(query, cells, feeding, with_layer)
    mask = length_mask(LENGTHS, S)
    states = [
        [uniform(B, size, seed=10 * i + j) for j, size in enumerate(sizes)]
        for i, sizes in enumerate(decoder.state_sizes)
    ]
    start = [state for own in states for state in own]
    outputs, weights, *last = decoder(
        inputs(),
        memory=memory(),
        memory_mask=mask,
        initial_state=start,
        return_attention_scores=True,
        return_state=True,
    )
    assert len(last) == len(start) + feeding
    for b in range(B):
        expected = expected_of(decoder, states, b, feeding * (L if with_layer else M))
        np.testing.assert_allclose(to_numpy(outputs)[b], expected[0], atol=5e-6)
        np.testing.assert_allclose(to_numpy(weights)[b], expected[1], atol=5e-6)
        for state, right in zip(last, expected[2], strict=False):
            np.testing.assert_allclose(to_numpy(state)[b], right, atol=5e-6)

    prepared = decoder.prepare(memory(), mask)
    state = decoder.initial_state(prepared, start)
    for t in range(T):
        output, own_weights, state = decoder.step(inputs()[:, t], state, prepared)
        np.testing.assert_allclose(to_numpy(output), to_numpy(outputs)[:, t], atol=2e-6)
        np.testing.assert_allclose(to_numpy(own_weights), to_numpy(weights)[:, t], atol=2e-6)
    for one, other in zip(state, last, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=2e-6)


@pytest.mark.parametrize("query", ["between", "bottom"])
def test_what_each_cell_reads_and_which_states_there_are(query: str) -> None:
    decoder = new(query, "grus", feeding=True, with_layer=True)
    reads = [cell.kernel.shape[0] for cell in decoder.cells]
    assert reads == [D + L, M if query == "between" else U + M]
    assert decoder.state_sizes == ([[U]] if query == "between" else [[U], [U]])
    assert decoder.attention.query_kernel.shape[0] == U


def test_a_second_transition_that_keeps_its_state_is_none() -> None:
    """With a closed update gate, a conditional GRU is Luong's decoder."""
    conditional = new("between", "grus")
    first, second = conditional.cells
    second.bias.assign(np.repeat([[40.0, 0.0, 0.0], [0.0] * 3], U, axis=1))
    luong: Any = ka.AttentionDecoder(GRU(U), ka.BahdanauAttention(A), input_feeding=False)
    luong.build((B, T, D), (B, S, M))
    luong.cells[0].set_weights(first.get_weights())
    luong.attention.set_weights(conditional.attention.get_weights())
    expected = to_numpy(luong(inputs(), memory=memory()))
    outputs = to_numpy(conditional(inputs(), memory=memory()))
    np.testing.assert_allclose(outputs, expected, atol=2e-6)


@pytest.mark.parametrize("attention", ["plain", "remembers"])
def test_gnmt_at_once_equals_gnmt_in_a_loop(attention: str) -> None:
    """If the bottom layer waits for nothing, all of its steps run first, then all attention."""
    past = ka.attention.Coverage() if attention == "remembers" else None
    decoder = ka.AttentionDecoder(
        CELLS["different"](), ka.BahdanauAttention(A, past=past), query="bottom"
    )
    decoder.build((B, T, D), (B, S, M))
    randomize(decoder, seed=7)
    assert hasattr(decoder, "recurrent_layers") == (attention == "plain")
    mask, of_inputs = length_mask(LENGTHS, S), length_mask([T, 2], T)
    outputs, *last = decoder(
        inputs(), memory=memory(), memory_mask=mask, inputs_mask=of_inputs, return_state=True
    )
    prepared = decoder.prepare(memory(), mask)
    state = decoder.initial_state(prepared)
    for t in range(T):
        output, _, state = decoder.step(inputs()[:, t], state, prepared)
        rows = slice(0, 2 if t < 2 else 1)
        np.testing.assert_allclose(to_numpy(output)[rows], to_numpy(outputs)[rows, t], atol=2e-6)
    assert np.all(to_numpy(outputs)[1, 2:] == 0.0)
    for one, other in zip(state, last, strict=True):
        np.testing.assert_allclose(to_numpy(one)[0], to_numpy(other)[0], atol=2e-6)


@pytest.mark.parametrize("query", ["between", "bottom"])
def test_variational_dropout_is_for_training_only(query: str) -> None:
    cells = [GRU(U, recurrent_dropout=0.3), GRU(U, dropout=0.4, recurrent_dropout=0.3)]
    decoder = ka.AttentionDecoder(cells, ka.BahdanauAttention(A), query=query)
    still = to_numpy(decoder(inputs(), memory=memory()))
    one, other = (to_numpy(decoder(inputs(), memory=memory(), training=True)) for _ in range(2))
    assert np.abs(one - still).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_allclose(to_numpy(decoder(inputs(), memory=memory())), still, atol=1e-6)


@pytest.mark.parametrize("query", ["between", "bottom"])
def test_bfloat16_is_close(query: str) -> None:
    expected = to_numpy(new(query, "grus", True, True)(inputs(), memory=memory()))
    with dtype_policy("mixed_bfloat16"):
        low = new(query, "grus", True, True)
    outputs = low(inputs(), memory=memory())
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=5e-2)


@pytest.mark.parametrize(
    ("query", "cells", "message"),
    [
        ("between", [8], r"`query='between'` needs at least two cells.*Received: 1 cell"),
        ("bottom", [8], r"`query='bottom'` needs at least two cells.*Received: 1 cell"),
        ("between", [8, 9], r"share a state.*Received: state sizes \[8\] and \[9\]"),
    ],
)
def test_refuses_cells_that_do_not_fit(query: str, cells: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ka.AttentionDecoder([GRU(n) for n in cells], ka.BahdanauAttention(A), query=query)


def test_refuses_to_stand_between_cells_without_attention() -> None:
    with pytest.raises(
        ValueError, match=r"`query='bottom'` needs an attention layer.*attention=None"
    ):
        ka.AttentionDecoder([GRU(8), GRU(8)], None, query="bottom")
