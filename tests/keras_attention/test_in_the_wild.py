"""Uses beyond one functional model with one dtype policy in one thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.cells.stack import dropout_in_training_only
from keras_attention.masking import masked_softmax
from tests.arrays import to_numpy, uniform

B, T, S, D, M = 3, 5, 7, 2, 4
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="uses a TensorFlow graph"
)


def tiny(dtype: Any = None, **changes: Any) -> ka.Seq2Seq:
    sizes = {"embedding_size": 4, "encoder_units": 3, "decoder_units": 5, "attention_units": 6}
    return ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, **{**sizes, **changes}), dtype=dtype)


def test_layers_are_built_inside_fit() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = ka.BiLSTMEncoder(3)
            self.decoder = ka.AttentionDecoder(keras.layers.GRUCell(4), ka.BahdanauAttention(5))

        def call(self, inputs: Any) -> Any:
            encoded, *_ = self.encoder(inputs)
            return self.decoder(inputs, memory=encoded)

    model = Model()
    model.compile("sgd", "mse")
    inputs = uniform(B, T, D, seed=1)
    history = model.fit(inputs, np.zeros((B, T, 10), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_threads_do_not_meet_on_a_layer() -> None:
    model, failures = tiny(), []
    source = np.array([[5, 6, 2], [7, 2, 0]])
    expected = {width: tiny_result(model, source, width) for width in (2, 3)}
    model._compiled_functions.by_key.clear()

    def work(width: int) -> None:
        try:
            ids = tiny_result(model, source, width)
            assert ids.tolist() == expected[width].tolist()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(width,)) for width in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def tiny_result(model: ka.Seq2Seq, source: np.ndarray, width: int) -> np.ndarray:
    return model.generate(source, ka.BeamSearch(width), max_length=4).ids


@pytest.mark.parametrize("made", ["float32", "mixed_float16"])
def test_a_saved_model_keeps_its_policy(made: str, tmp_path: Path) -> None:
    model = tiny(dtype=made)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    compute = "float16" if made == "mixed_float16" else "float32"
    assert model.decoder.compute_dtype == loaded.decoder.compute_dtype == compute
    assert loaded.encoder.compute_dtype == loaded.decoder.cells[0].compute_dtype == compute


def test_a_run_is_read_in_float32(tmp_path: Path) -> None:
    model = tiny(dtype="mixed_float16")
    run = ka.RunDirectory(tmp_path)
    model.save(run.model_file)
    read = run.model()
    assert read.policy.name == "float32"
    for ours, theirs in zip(read.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("query", ["previous", "current"])
@pytest.mark.parametrize("input_feeding", [None, False])
def test_parts_of_other_types_meet_in_the_decoders_type(
    query: Any, input_feeding: bool | None
) -> None:
    decoder = ka.AttentionDecoder(
        keras.layers.LSTMCell(4, dtype="float32"),
        ka.BahdanauAttention(3, dtype="float32"),
        query=query,
        input_feeding=input_feeding,
        attention_layer=keras.layers.Dense(5, dtype="float32"),
        dtype="mixed_float16",
    )
    inputs, memory = keras.Input((None, D)), keras.Input((None, M))
    outputs = decoder(inputs, memory=memory)
    model = keras.Model([inputs, memory], outputs)
    found = model.predict([uniform(B, T, D, seed=1), uniform(B, S, M, seed=2)], verbose=0)
    assert found.dtype == outputs.dtype == "float16"
    assert np.isfinite(found).all()


@on_tensorflow
def test_a_wrong_promise_about_holes_is_never_silent() -> None:
    import tensorflow as tf

    encoder = ka.BiLSTMEncoder(3)
    encoder.build((None, None, D))
    mask = np.array([[True, False, True], [True, True, False]])
    encode = tf.function(lambda x, m: encoder(x, mask=m, padded_on_one_side=True))
    results = encode(uniform(2, 3, D, seed=1), mask)
    for result in results:
        assert np.isnan(to_numpy(result)[0]).all()
        assert np.isfinite(to_numpy(result)[1]).all()


@pytest.mark.parametrize("query", ["previous", "current"])
@pytest.mark.parametrize("input_feeding", [None, False])
def test_masked_inputs_give_zeros_and_leave_the_state(
    query: Any, input_feeding: bool | None
) -> None:
    decoder = ka.AttentionDecoder(
        keras.layers.LSTMCell(4), ka.LuongAttention(), query=query, input_feeding=input_feeding
    )
    inputs, memory = uniform(1, T, D, seed=1), uniform(1, S, M, seed=2)
    mask = np.array([[True, True, False, False, False]])
    options = {"memory": memory, "return_attention_scores": True, "return_state": True}
    outputs, weights, *state = decoder(inputs, inputs_mask=mask, **options)
    short, short_weights, *short_state = decoder(inputs[:, :2], **options)
    assert not to_numpy(outputs)[:, 2:].any()
    assert not to_numpy(weights)[:, 2:].any()
    np.testing.assert_allclose(to_numpy(outputs)[:, :2], to_numpy(short), atol=1e-6)
    np.testing.assert_allclose(to_numpy(weights)[:, :2], to_numpy(short_weights), atol=1e-6)
    for ours, theirs in zip(state, short_state, strict=True):
        np.testing.assert_allclose(to_numpy(ours), to_numpy(theirs), atol=1e-6)


def test_cells_keep_no_dropout_of_another_batch() -> None:
    cell = keras.layers.SimpleRNNCell(4, dropout=0.5, recurrent_dropout=0.5)
    decoder = ka.AttentionDecoder(cell, ka.BahdanauAttention(3))
    decoder(uniform(B, T, D, seed=1), memory=uniform(B, S, M, seed=2))
    memory = decoder.prepare(uniform(2, S, M, seed=3))
    decoder.step(uniform(2, D, seed=4), decoder.initial_state(memory), memory)
    outputs = decoder(uniform(B, T, D, seed=1), memory=uniform(B, S, M, seed=2), training=True)
    assert np.isfinite(to_numpy(outputs)).all()


def test_threads_leave_a_cell_its_dropout() -> None:
    """The second starts before the first has ended and, where possible, ends after it."""
    cell = keras.layers.LSTMCell(4, recurrent_dropout=0.3)
    first_is_in, first_is_out, second_is_in = (threading.Event() for _ in range(3))

    def first() -> None:
        with dropout_in_training_only([cell], training=False):
            first_is_in.set()
            second_is_in.wait(0.3)
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(10)
        with dropout_in_training_only([cell], training=False):
            second_is_in.set()
            first_is_out.wait(10)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cell.recurrent_dropout == 0.3


def test_integers_are_numbers() -> None:
    np.testing.assert_allclose(
        to_numpy(masked_softmax([[0, 1, 2]]))[0], [0.0900306, 0.2447285, 0.6652410], atol=1e-6
    )
    assert float(ka.scores.cosine([[[1, 2]]], [[[2, 1]]])[0, 0, 0]) == pytest.approx(0.8)


def test_an_overflow_in_float16_is_no_nan() -> None:
    attention = ka.LuongAttention("dot", dtype="mixed_float16")
    query, value = 20 * np.ones((1, 512), "float32"), 20 * np.ones((1, 2, 512), "float32")
    _, weights = attention(query, value, return_attention_scores=True)
    np.testing.assert_array_equal(to_numpy(weights), [[0.5, 0.5]])


def test_a_model_that_went_wrong_says_so() -> None:
    model = tiny()
    kernel = model.logits.kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    for search in (ka.GreedySearch(), ka.BeamSearch(2)):
        with pytest.raises(ValueError, match="NaN log-probabilities"):
            model.generate([[5, 2]], search, max_length=3)


def test_keras_stacks_are_stacks() -> None:
    cells = [keras.layers.LSTMCell(3), keras.layers.LSTMCell(4)]
    stacked = ka.AttentionDecoder(keras.layers.StackedRNNCells(cells), ka.BahdanauAttention(5))
    listed = ka.AttentionDecoder(cells, stacked.attention)
    inputs, memory = uniform(B, T, D, seed=1), uniform(B, S, M, seed=2)
    np.testing.assert_array_equal(
        to_numpy(stacked(inputs, memory=memory)), to_numpy(listed(inputs, memory=memory))
    )


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"cell": []}, ValueError, "`cell` must hold at least one"),
        ({"cell": "lstm"}, TypeError, "`cell` must be a Keras RNN cell"),
        ({"attention": "bahdanau"}, TypeError, "`attention` must be an attention layer"),
    ],
)
def test_what_is_no_part_of_a_decoder(wrong: dict, error: type[Exception], message: str) -> None:
    parts = {"cell": keras.layers.GRUCell(3), "attention": ka.BahdanauAttention(2), **wrong}
    with pytest.raises(error, match=message):
        ka.AttentionDecoder(**parts)


def test_wrong_shapes_are_named_before_anything_runs() -> None:
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(3), ka.BahdanauAttention(2))
    inputs, memory = keras.Input((5, D), batch_size=B), keras.Input((S, M), batch_size=B)
    with pytest.raises(ValueError, match=r"`memory_mask` must match `memory`.*Received"):
        decoder(inputs, memory=memory, memory_mask=keras.Input((6,), batch_size=B, dtype="bool"))
    with pytest.raises(ValueError, match=r"`memory` must have the axes .*Received"):
        decoder(inputs, memory=keras.Input((M,), batch_size=B))
    with pytest.raises(ValueError, match=r"`query` must have the axes .*Received"):
        ka.LuongAttention("dot")(keras.Input((2, 5, M)), memory)


def test_a_decoder_that_is_not_built_says_so() -> None:
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(3), None)
    with pytest.raises(ValueError, match="no weights yet"):
        decoder.step(uniform(B, D, seed=1), [uniform(B, 3, seed=2)])
    decoder(uniform(B, T, D, seed=1))
    with pytest.raises(ValueError, match=r"`state` must hold.*, at least 1. Received: 0"):
        decoder.step(uniform(B, D, seed=1), [])
    with pytest.raises(ValueError, match=r"`initial_state\[0\]`.*Received"):
        decoder(uniform(B, T, D, seed=1), initial_state=uniform(1, 3, seed=2))
