"""Dropout: Keras's numbers, without what makes them slow under XLA on a CPU."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.backend import dropout, jitted
from keras_attention.cells.stack import dropout_drawn_before
from keras_attention.dropout import Dropout

ONES = np.ones((6, 5, 4), np.float32)


@pytest.mark.parametrize("with_xla", [False, True])
@pytest.mark.parametrize(
    ("seed", "noise_shape"),
    [
        (3, None),
        (2**31 - 2, None),  # Keras reduces seeds modulo 2^31 - 2
        (2**32 - 7, None),
        (5, (None, None, 1)),
        (6, (6, 1, 4)),
        (7, (1, None, None)),
    ],
)
def test_layer_has_the_numbers_of_keras(with_xla: bool, seed: int, noise_shape: Any) -> None:
    results = []
    for kind in (keras.layers.Dropout, Dropout):
        layer = kind(0.4, noise_shape=noise_shape, seed=seed)
        run = jitted(lambda x, layer=layer: layer(x, training=True), [ONES], with_xla)
        results.append(ops.convert_to_numpy(run(ops.convert_to_tensor(ONES))))
    theirs, ours = results
    np.testing.assert_array_equal(ours, theirs)
    kept = ours != 0.0
    assert 0 < kept.sum() < ONES.size
    np.testing.assert_allclose(ours[kept], 1.0 / 0.6, rtol=1e-6)


def test_layer_drops_nothing_outside_training() -> None:
    layer = Dropout(0.4)
    np.testing.assert_array_equal(layer(ONES), ONES)
    np.testing.assert_array_equal(layer(ONES, training=False), ONES)


def test_everything_can_be_dropped() -> None:
    dropped = dropout(ops.convert_to_tensor(ONES), 1.0, keras.random.SeedGenerator(1))
    np.testing.assert_array_equal(dropped, np.zeros_like(ONES))


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "SimpleRNNCell"])
def test_masks_of_cells_are_those_that_they_draw_themselves(kind: str) -> None:
    def cell() -> Any:
        made = getattr(keras.layers, kind)(3, dropout=0.4, recurrent_dropout=0.3, seed=5)
        made.build((2, 4))
        return made

    theirs, ours = cell(), cell()
    inner, outer = theirs.get_dropout_mask(ops.ones((2, 4))), ops.ones((2, 3))
    with dropout_drawn_before([ka.cells.ResidualCell(ours)], [4], 2, training=True):
        for a, b in (
            (ours.get_dropout_mask(None), inner),
            (ours.get_recurrent_dropout_mask(None), theirs.get_recurrent_dropout_mask(outer)),
        ):
            np.testing.assert_array_equal(ops.stack(a), ops.stack(b))
    assert ours._dropout_mask is ours._recurrent_dropout_mask is None


def test_a_cell_with_masks_of_its_own_draws_them_before_the_loop() -> None:
    shapes = []

    class Cell(keras.layers.GRUCell):
        def get_dropout_mask(self, step_input: Any) -> None:
            shapes.append(tuple(step_input.shape))

    with dropout_drawn_before([Cell(3)], [4], 2, training=True):
        assert shapes == [(2, 4)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's graph")
def test_a_training_step_names_the_generator() -> None:
    """TensorFlow's own choice (`StatelessRandomGetKeyCounter`) takes 25 times as long under XLA."""
    import tensorflow as tf

    parts = ("word_dropout", "recurrent_dropout", "attention_dropout", "memory_dropout")
    rates = dict.fromkeys(("dropout", *parts), 0.3)
    config = ka.Seq2SeqConfig(
        9, 9, 4, encoder_units=4, decoder_units=4, attention_units=4, encoder_layers=2, **rates
    )
    model = ka.Seq2Seq(config)
    inputs = {"source": tf.ones((2, 3), "int32"), "target": tf.ones((2, 4), "int32")}
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(inputs).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "StatelessRandomUniformV2" in kinds
    assert "StatelessRandomGetKeyCounter" not in kinds
