"""The decoder's loop in training: its custom gradient equals that of the plain formulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import backend, scores
from keras_attention.attention import base
from keras_attention.backend.linear import linear
from keras_attention.cells.looped import LoopedLSTMCell
from keras_attention.recurrent import decoder_loop
from tests import reference
from tests.arrays import dtype_policy, length_mask, randomize, to_numpy, uniform
from tests.variants import variants

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the gradient is TensorFlow's"
)

B, T, S, D, M, U = 3, 5, 4, 2, 6, 6


@keras.saving.register_keras_serializable(package="tests")
class Elman(keras.layers.Layer):
    """A cell that the library does not know: `s_t = tanh(g x_t W + s_{t-1} R)`."""

    state_size = U

    def build(self, shape: Any) -> None:
        self.g = self.add_weight(name="g", shape=())
        self.W = self.add_weight(name="W", shape=(shape[-1], U))
        self.R = self.add_weight(name="R", shape=(U, U))

    def call(self, x: Any, states: Any) -> Any:
        state = keras.ops.tanh(self.g * (x @ self.W) + states[0] @ self.R)
        return state, [state]


CELLS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: keras.layers.LSTMCell(U),
    "hard lstm": lambda: keras.layers.LSTMCell(U, use_bias=False, recurrent_activation="relu"),
    "gru": lambda: keras.layers.GRUCell(U),
    "gru without bias": lambda: keras.layers.GRUCell(U, use_bias=False),
    "gru that resets before": lambda: keras.layers.GRUCell(U, reset_after=False),
    "stack": lambda: [keras.layers.GRUCell(5), keras.layers.LSTMCell(7), keras.layers.GRUCell(U)],
    "two lstms": lambda: [keras.layers.LSTMCell(U), keras.layers.LSTMCell(U)],
    "layer norm": lambda: ka.cells.LayerNormLSTMCell(U),
    "residual": lambda: [
        ka.cells.ResidualCell(keras.layers.GRUCell(D)),
        keras.layers.LSTMCell(U),
        ka.cells.ResidualCell(ka.cells.LayerNormLSTMCell(U)),
    ],
    "simple": lambda: keras.layers.SimpleRNNCell(U),
    "foreign": Elman,
    "foreign in a stack": lambda: [keras.layers.LSTMCell(3), Elman()],
}
SCORES: dict[str, Callable[[], Any]] = {
    "bahdanau": lambda: ka.BahdanauAttention(7),
    "normalized": lambda: ka.BahdanauAttention(7, normalize=True),
    "dot": lambda: ka.LuongAttention("dot"),
    "cosine": lambda: ka.LuongAttention("cosine", scale=True),
    "general": lambda: ka.LuongAttention("general", scale=True),
    "concat": lambda: ka.LuongAttention("concat", units=7),
    "sparsemax": lambda: ka.BahdanauAttention(7, alignment=ka.alignments.Sparsemax()),
    "monotonic": lambda: ka.BahdanauAttention(7, alignment=ka.alignments.Monotonic()),
    "chunkwise": lambda: ka.LuongAttention(
        alignment=ka.alignments.MonotonicChunkwise(2, ka.BahdanauAttention(5))
    ),
    "local-m": lambda: ka.LuongAttention(alignment=ka.alignments.LocalMonotonic(1)),
    "local-p": lambda: ka.BahdanauAttention(7, alignment=ka.alignments.LocalPredictive(2, 3)),
    "location": lambda: ka.BahdanauAttention(7, past=ka.attention.Location(2, 3)),
    "coverage": lambda: ka.LuongAttention(
        "concat", 7, past=ka.attention.Coverage(max_fertility=2.0)
    ),
    "heads": lambda: ka.attention.MultiHead(
        ka.BahdanauAttention(5, past=ka.attention.Coverage()), 2, head_size=3
    ),
}
LAYERS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "dense": lambda: keras.layers.Dense(3, activation="tanh"),
    "two": lambda: keras.Sequential([keras.layers.Dense(3), keras.layers.LayerNormalization()]),
}


def decoder(
    cell: str = "lstm",
    score: str = "bahdanau",
    query: str = "current",
    layer: str = "dense",
    outputs: int | None = None,
) -> ka.AttentionDecoder:
    combine = LAYERS[layer]() if outputs is None else keras.layers.Dense(outputs)
    made = ka.AttentionDecoder(CELLS[cell](), SCORES[score](), query, query != "previous", combine)
    made.build((B, T, D), (B, S, M))
    randomize(made, seed=1)
    return made


def gradients(decoder: ka.AttentionDecoder, **options: Any) -> list[Any]:
    """A scalar of all results, and its gradient for inputs, memory, initial states and weights."""
    inputs, memory = tf.constant(uniform(B, T, D, seed=2)), tf.constant(uniform(B, S, M, seed=3))
    states = [tf.ones((B, n)) / 3 for sizes in decoder.state_sizes for n in sizes]
    weights = [weight.value for weight in decoder.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, memory, states])
        results = decoder(
            inputs,
            memory=memory,
            inputs_mask=length_mask([5, 3, 4], T),
            memory_mask=length_mask([4, 2, 3], S),
            initial_state=states,
            return_attention_scores=True,
            return_state=True,
            **options,
        )
        total = sum(tf.reduce_sum(tf.sin(x + i)) for i, x in enumerate(results))
    found = tape.gradient(total, [inputs, memory, *states, *weights], unconnected_gradients="zero")
    return [tf.convert_to_tensor(x) for x in [total, *found]]


def assert_equal(own: list[Any], plain: list[Any], tolerance: float = 1e-5) -> None:
    for actual, expected in zip(own, plain, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that makes TensorFlow differentiate loops by its own means."""

    def formulation(step: Any, carry: Any, xs: Any, constants: Any) -> Any:
        return backend.scan(lambda carry, x: step(carry, x, constants), carry, xs)

    def set_plain() -> None:
        for module in (decoder_loop, scores, base):
            monkeypatch.setattr(module, "trained_scan", formulation)

    return set_plain


CASES = [
    *({"cell": cell} for cell in CELLS),
    *({"score": score} for score in SCORES),
    *({"cell": cell, "query": "previous"} for cell in ("lstm", "stack", "foreign")),
    *({"score": "general", "layer": layer} for layer in ("none", "two")),
    {"cell": "two lstms", "query": "between"},
    *({"cell": cell, "query": "bottom"} for cell in ("stack", "foreign in a stack", "residual")),
]


@variants("case", CASES, ids=lambda case: " ".join(case.values()), core=CASES[::4])
def test_gradients_equal_those_of_the_plain_formulation(
    case: dict[str, str], plain: Callable[[], None]
) -> None:
    layer = decoder(**case)
    own = gradients(layer)
    plain()
    assert_equal(own, gradients(layer))


@variants("cell", ["stack", "lstm", "gru", "foreign"])
def test_gradients_where_outputs_are_read(cell: str, plain: Callable[[], None]) -> None:
    """Of the inputs' size: through what was read they go on to the steps before."""
    layer = decoder(cell, query="previous", outputs=D)
    own = tf.constant([[1, 1, 0, 1, 1], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0]])
    found = gradients(layer, reads_output=own)
    plain()
    assert_equal(found, gradients(layer, reads_output=own))


@variants("jit_compile", [False, True])
def test_gradients_in_a_compiled_function(jit_compile: bool, plain: Callable[[], None]) -> None:
    layer = decoder("stack")
    own = tf.function(lambda: gradients(layer), jit_compile=jit_compile)()
    plain()
    assert_equal(own, gradients(layer))


@variants("score", ["bahdanau", "general"])
def test_gradients_where_no_length_is_known(score: str) -> None:
    layer = decoder(score=score)

    def by_inputs(inputs: Any, memory: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([inputs, memory])
            outputs = layer(inputs, memory=memory)
        return tape.gradient(outputs, [inputs, memory])

    given = tf.constant(uniform(B, T, D, seed=2)), tf.constant(uniform(B, S, M, seed=3))
    unknown = [tf.TensorSpec((None, None, x.shape[-1])) for x in given]
    assert_equal(tf.function(by_inputs, input_signature=unknown)(*given), by_inputs(*given))


@variants("score", SCORES, core=("local-p", "coverage"))
def test_attention_over_whole_sequences(score: str, plain: Callable[[], None]) -> None:
    """If nothing is fed back, only what depends on the previous step runs in a loop of its own."""
    made = ka.AttentionDecoder(keras.layers.LSTMCell(U), SCORES[score](), input_feeding=False)
    made.build((B, T, D), (B, S, M))
    randomize(made, seed=1)
    own = gradients(made)
    plain()
    assert_equal(own, gradients(made))


def test_noise_of_an_alignment_is_the_same_on_the_way_back(plain: Callable[[], None]) -> None:
    def made() -> ka.AttentionDecoder:
        attention = ka.BahdanauAttention(7, alignment=ka.alignments.Monotonic(noise=1.5), seed=3)
        layer = ka.AttentionDecoder(keras.layers.LSTMCell(U), attention)
        layer.build((B, T, D), (B, S, M))
        randomize(layer, seed=1)
        return layer

    own, without = gradients(made(), training=True), gradients(made())
    plain()
    assert_equal(own, gradients(made(), training=True))
    assert not np.allclose(own[0], without[0])


@variants("query", ["previous", "bottom", "current", "between"])
def test_dropout_is_the_same_on_the_way_back(query: str, plain: Callable[[], None]) -> None:
    def made() -> ka.AttentionDecoder:
        cells = [
            keras.layers.GRUCell(U, recurrent_dropout=0.3),
            keras.layers.GRUCell(U, dropout=0.3),
            ka.cells.ResidualCell(
                ka.cells.LayerNormLSTMCell(U, dropout=0.3, recurrent_dropout=0.3)
            ),
        ]
        attention = ka.BahdanauAttention(7, dropout=0.3)
        layer = ka.AttentionDecoder(cells, attention, query, True, keras.layers.Dense(3))
        layer.build((B, T, D), (B, S, M))
        randomize(layer, seed=1)
        return layer

    keras.utils.set_random_seed(5)
    own = gradients(made(), training=True)
    without = gradients(made())
    plain()
    keras.utils.set_random_seed(5)
    assert_equal(own, gradients(made(), training=True))
    assert not np.allclose(own[0], without[0])


def test_noise_inside_the_loop_is_new_at_each_step_and_trained(plain: Callable[[], None]) -> None:
    noisy = keras.Sequential([keras.layers.Dense(40, use_bias=False), keras.layers.Dropout(0.5)])
    layer = ka.AttentionDecoder(
        keras.layers.LSTMCell(U), ka.LuongAttention(), attention_layer=noisy
    )
    inputs, memory = uniform(B, T, D, seed=2), uniform(B, S, M, seed=3)
    outputs = tf.function(lambda: layer(inputs, memory=memory, training=True))().numpy()
    dropped = {tuple((outputs[0, t] == 0.0).tolist()) for t in range(T)}
    assert len(dropped) == T
    own = gradients(layer)
    plain()
    assert_equal(own, gradients(layer))


@variants("policy", ["mixed_float16", "mixed_bfloat16"])
def test_low_precision_is_close(policy: str) -> None:
    expected = gradients(decoder("stack"))
    with dtype_policy(policy):
        made = decoder("stack")
    tolerance = 0.01 if policy == "mixed_float16" else 0.06
    for actual, right in zip(gradients(made), expected, strict=True):
        right = right.numpy()
        error = np.abs(tf.cast(actual, "float32").numpy() - right).max()
        assert error < tolerance * max(np.abs(right).max(), 1.0)


def test_gates_are_formed_in_float32() -> None:
    cell = keras.layers.LSTMCell(U, dtype="mixed_bfloat16")
    cell.build((None, D))
    looped = LoopedLSTMCell(cell, known=D)
    low = (uniform(B, size, seed=size) for size in (4 * U, U))
    gates, c = (keras.ops.cast(x, "bfloat16") for x in low)
    _, (_, after) = looped.step([gates], [keras.ops.zeros_like(c), c], looped.constants)
    i, f, g, _ = np.split(to_numpy(gates), 4, axis=-1)
    exact = reference.sigmoid(f) * to_numpy(c) + reference.sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(to_numpy(after), exact, atol=1e-6)


def test_the_regularizer_of_an_attention_layer_is_not_lost() -> None:
    dense = keras.layers.Dense(3, activity_regularizer="l2")
    attention = ka.LuongAttention()
    layer = ka.AttentionDecoder(
        keras.layers.LSTMCell(U), attention, input_feeding=False, attention_layer=dense
    )
    outputs = layer(uniform(B, T, D, seed=2), memory=uniform(B, S, M, seed=3))
    (loss,) = layer.losses
    np.testing.assert_allclose(loss, 0.01 * np.sum(np.square(outputs)) / B, rtol=1e-5)


def test_a_matrix_gets_its_gradient_once_for_all_steps() -> None:
    """The product is outside the loop, which would compute one of this shape at every step."""
    layer = decoder("lstm", "bahdanau")
    graph = tf.function(lambda: gradients(layer)).get_concrete_function().graph
    outside = [tuple(op.outputs[0].shape) for op in graph.get_operations() if op.type == "MatMul"]
    for rows, columns in ((M + U, 3), (U, 7), (3 + U, 4 * U)):
        assert (rows, columns) in outside
    layer = decoder("layer norm", "bahdanau")
    graph = tf.function(lambda: gradients(layer)).get_concrete_function().graph
    outside = [tuple(op.outputs[0].shape) for op in graph.get_operations() if op.type == "MatMul"]
    for rows in (D + 3, U):
        assert (rows, 4 * U) in outside


def test_linear_is_a_product_anywhere() -> None:
    x, one, each = uniform(B, T, D, seed=1), uniform(D, 3, seed=2), uniform(B, D, 3, seed=3)
    np.testing.assert_allclose(linear(x, one), x @ one, rtol=1e-5)
    np.testing.assert_allclose(linear(x, each), x @ each, rtol=1e-5)
    np.testing.assert_allclose(linear(x, one.T, transposed=True), x @ one, rtol=1e-5)
    turned = np.swapaxes(each, 1, 2)
    np.testing.assert_allclose(linear(x, turned, transposed=True), x @ each, rtol=1e-5)
