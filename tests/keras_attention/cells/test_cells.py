"""The library's own cells (residual connections, layer normalization), and maxout units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform
from tests.variants import variants

B, T, S, D, M, U = 2, 5, 7, 3, 11, 13
LSTM, GRU = keras.layers.LSTMCell, keras.layers.GRUCell


def over_sequence(cell: Any, inputs: np.ndarray, **options: Any) -> np.ndarray:
    return to_numpy(keras.layers.RNN(cell, return_sequences=True)(inputs, **options))


def weights_of(layer: Any) -> list[np.ndarray]:
    kept = [w for w in layer.weights if "seed_generator" not in w.path]
    return [to_numpy(w).astype("float64") for w in kept]


def built(cell: Any, features: int, seed: int = 3) -> Any:
    cell.build((None, features))
    randomize(cell, seed=seed)
    return cell


@pytest.mark.parametrize("features", [U, U + D])
def test_a_residual_cell_adds_its_inputs(features: int) -> None:
    cell = built(ka.cells.ResidualCell(LSTM(U)), features)
    inputs = uniform(B, T, features, seed=1)
    expected = reference.residual(reference.lstm(*weights_of(cell)))
    outputs = over_sequence(cell, inputs)
    for b in range(B):
        right, _ = reference.run(expected, inputs[b].astype("float64"), [np.zeros(U)] * 2)
        np.testing.assert_allclose(outputs[b], right, atol=2e-6)


@pytest.mark.parametrize("kind", [LSTM, GRU, keras.layers.SimpleRNNCell])
def test_a_residual_cell_that_adds_zero_gives_its_inputs_of_the_same_step(kind: Any) -> None:
    cell = ka.cells.ResidualCell(kind(U, kernel_initializer="zeros", recurrent_initializer="zeros"))
    inputs = uniform(B, T, U + 2, seed=1)
    np.testing.assert_array_equal(over_sequence(cell, inputs), inputs[..., :U])


def test_layer_norm_lstm_with_numbers_set_by_hand() -> None:
    """One unit is always its mean, so two; all gates but g see 0, and s(0) = 1/2."""
    cell: Any = ka.cells.LayerNormLSTMCell(2, epsilon=1e-9)
    cell.build((None, 1))
    cell.kernel.assign([[0.0, 0.0, 0.0, 0.0, 2.0, -2.0, 0.0, 0.0]])
    cell.recurrent_kernel.assign(np.zeros((2, 8)))
    cell.bias.assign(np.zeros(8))
    cell.input_gain.assign([1, 1, 1, 1, 0.5, 0.25, 1, 1])
    cell.cell_gain.assign([1.0, 3.0])
    cell.cell_bias.assign([0.0, 0.5])
    output, (h, c) = cell(np.array([[7.0]], "float32"), [np.zeros((1, 2), "float32")] * 2)
    # K x = 14 (0 0 0 0 1 -1 0 0): mean 0, variance 14^2 / 4, so g = (2 * 0.5, -2 * 0.25)
    expected = 0.5 * np.tanh([1.0, -0.5])
    np.testing.assert_allclose(to_numpy(c)[0], expected, atol=1e-6)
    # LN maps two numbers to 1 and -1
    np.testing.assert_allclose(to_numpy(h)[0], 0.5 * np.tanh([1.0, -2.5]), atol=1e-6)
    np.testing.assert_array_equal(to_numpy(output), to_numpy(h))


def test_layer_norm_lstm_equals_the_numpy_reference_with_padding() -> None:
    cell = built(ka.cells.LayerNormLSTMCell(U), D)
    inputs, lengths = uniform(B, T, D, seed=1), [T, 2]
    outputs = over_sequence(cell, inputs, mask=length_mask(lengths, T))
    for b, length in enumerate(lengths):
        right, _ = reference.run(
            reference.layer_norm_lstm(*weights_of(cell)),
            inputs[b, :length].astype("float64"),
            [np.zeros(U)] * 2,
        )
        np.testing.assert_allclose(outputs[b, :length], right, atol=5e-6)


def test_the_size_of_what_is_summed_does_not_matter_to_layer_norm() -> None:
    cell = built(ka.cells.LayerNormLSTMCell(U, epsilon=1e-12), D)
    inputs = uniform(B, T, D, seed=1)
    before = over_sequence(cell, inputs)
    for kernel in (cell.kernel, cell.recurrent_kernel):
        kernel.assign(kernel * 8.0)
    np.testing.assert_allclose(over_sequence(cell, inputs), before, atol=2e-6)


@variants(
    "made",
    [
        lambda: ka.cells.LayerNormLSTMCell(U, dropout=0.4, recurrent_dropout=0.3),
        lambda: ka.cells.ResidualCell(LSTM(U, dropout=0.4)),
        lambda: ka.cells.ResidualCell(GRU(U, recurrent_dropout=0.4)),
    ],
)
def test_dropout_of_a_cell_is_for_training_only_and_drawn_anew(made: Callable[[], Any]) -> None:
    rnn = keras.layers.RNN(made(), return_sequences=True)
    inputs = keras.Input((None, U))
    model = keras.Model(inputs, rnn(inputs))
    x = uniform(B, T, U, seed=1)
    still = to_numpy(model(x))
    one, other = (to_numpy(model(x, training=True)) for _ in range(2))
    assert np.abs(one - still).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_array_equal(to_numpy(model(x)), still)
    model.compile("sgd", "mse")
    model.train_on_batch(x, x)
    model.train_on_batch(x, x)


STACKS: dict[str, Callable[[], list[Any]]] = {
    "residual": lambda: [LSTM(U), ka.cells.ResidualCell(LSTM(U)), ka.cells.ResidualCell(GRU(5))],
    "layer norm": lambda: [
        ka.cells.LayerNormLSTMCell(U),
        ka.cells.ResidualCell(ka.cells.LayerNormLSTMCell(U)),
    ],
    "at the bottom": lambda: [ka.cells.ResidualCell(GRU(D)), LSTM(U)],
}


@pytest.mark.parametrize("stack", STACKS)
@variants(
    ("query", "feeding"),
    [
        ("current", True),
        ("current", False),
        ("previous", False),
        ("bottom", True),
        ("bottom", None),
    ],
    core=2,
)
def test_in_a_decoder_at_once_equals_step_by_step(stack: str, query: str, feeding: bool) -> None:
    layer = keras.layers.Dense(3)
    decoder = ka.AttentionDecoder(STACKS[stack](), ka.LuongAttention(), query, feeding, layer)
    inputs, memory = uniform(B, T, D, seed=1), uniform(B, S, M, seed=2)
    decoder(inputs, memory=memory)
    randomize(decoder, seed=7)
    outputs, *last = decoder(inputs, memory=memory, return_state=True)
    prepared = decoder.prepare(memory)
    state = decoder.initial_state(prepared)
    for t in range(T):
        output, _, state = decoder.step(inputs[:, t], state, prepared)
        np.testing.assert_allclose(to_numpy(output), to_numpy(outputs)[:, t], atol=3e-6)
    for one, right in zip(last, state, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(right), atol=3e-6)


def test_a_residual_stack_of_nothing_hands_up_what_the_bottom_gives() -> None:
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    bottom = LSTM(U)
    above = [ka.cells.ResidualCell(GRU(U, **zeros)), ka.cells.ResidualCell(LSTM(U, **zeros))]
    deep = ka.AttentionDecoder([bottom, *above], ka.LuongAttention(), query="bottom")
    inputs, memory = uniform(B, T, D, seed=1), uniform(B, S, M, seed=2)
    outputs = to_numpy(deep(inputs, memory=memory))
    np.testing.assert_allclose(outputs[..., :U], over_sequence(bottom, inputs), atol=1e-6)


@pytest.mark.parametrize("encoder", [ka.LSTMEncoder, ka.BiLSTMEncoder])
def test_a_residual_encoder_adds_what_it_reads(encoder: Any) -> None:
    lower, upper = encoder(U), encoder(U)
    both = encoder(U, num_layers=2, residual=True)
    inputs, mask = uniform(B, S, D, seed=1), length_mask([S, 4], S)
    both(inputs, mask=mask)
    randomize(both, seed=5)
    below, *_ = lower(inputs, mask=mask)
    upper(below, mask=mask)
    for one, place in ((lower, 0), (upper, 1)):
        for name, lstm in one.layers[0].items():
            lstm.set_weights(both.layers[place][name].get_weights())
    below, *_ = lower(inputs, mask=mask)
    added, *states = upper(below, mask=mask)
    encoded, *found = both(inputs, mask=mask)
    np.testing.assert_allclose(to_numpy(encoded), to_numpy(below) + to_numpy(added), atol=1e-6)
    for one, right in zip(found, states, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(right), atol=1e-6)


def test_maxout_equals_the_numpy_reference() -> None:
    layer = ka.model.Maxout(U, pool_size=3)
    x = uniform(B, T, D, seed=1)
    layer(x)
    randomize(layer, seed=3)
    outputs, (kernel, bias) = to_numpy(layer(x)), weights_of(layer)
    for b, t in np.ndindex(B, T):
        right = reference.maxout(x[b, t].astype("float64"), kernel, bias, U)
        np.testing.assert_allclose(outputs[b, t], right, atol=2e-6)


def test_maxout_of_x_and_minus_x_is_its_size() -> None:
    layer: Any = ka.model.Maxout(2)
    layer.build((None, 2))
    layer.kernel.assign([[1, 0, -1, 0], [0, 1, 0, -1]])
    outputs = to_numpy(layer(np.array([[3.0, -5.0]], "float32")))
    np.testing.assert_array_equal(outputs, [[3.0, 5.0]])


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda: ka.cells.ResidualCell("lstm"), TypeError, r"`cell`.*Received: cell='lstm'"),
        (
            lambda: ka.cells.ResidualCell(LSTM(5)).build((1, 3)),
            ValueError,
            r"at least 5 features.*Received: .* 3 features",
        ),
        (
            lambda: ka.cells.LayerNormLSTMCell(5, 0.0),
            ValueError,
            r"`epsilon`.*Received: epsilon=0.0",
        ),
        (lambda: ka.model.Maxout(0), ValueError, r"`units`.*positive.*Received: units=0"),
        (
            lambda: ka.model.Maxout(3, 0),
            ValueError,
            r"`pool_size`.*positive.*Received: pool_size=0",
        ),
    ],
)
def test_refuses_what_cannot_be(made: Callable[[], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        made()
