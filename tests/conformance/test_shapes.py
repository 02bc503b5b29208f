"""The shapes that every layer announces are those of its results."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, to_numpy, uniform
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.conformance.test_conformance import eager
from tests.variants import variants

CELLS = ("LayerNormLSTMCell", "ResidualCell")
MODELS = [name for name in REGISTRY if name.startswith(("Seq2Seq", "ScheduledSampling"))]
LAYERS = [name for name in REGISTRY if name not in (*CELLS, *MODELS)]
each_layer = variants("name", LAYERS, core=FIRST_OF_EACH_CLASS)


def as_shapes(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a call by name, with shapes in place of tensors."""
    is_tensor = {
        name: any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(value))
        for name, value in arguments.items()
    }

    def shapes(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [shapes(x) for x in value]
        return None if value is None else tuple(value.shape)

    return {
        f"{name}_shape" if is_tensor[name] else name: shapes(value) if is_tensor[name] else value
        for name, value in arguments.items()
    }


@each_layer
def test_shapes_and_dtypes_are_announced_as_they_come(name: str) -> None:
    entry = REGISTRY[name]
    layer, arrays = entry.make(), entry.arrays(3, source=5, target=4)
    inputs = {
        key: keras.Input(batch_shape=array.shape, dtype=str(array.dtype), name=key)
        for key, array in arrays.items()
    }
    announced = entry.call(layer, inputs)
    found = eager(entry, layer, arrays)
    assert [tuple(x.shape) for x in announced] == [x.shape for x in found]
    assert [x.dtype for x in announced] == [str(x.dtype) for x in found]
    arguments = layer._inbound_nodes[0].arguments
    names = inspect.signature(layer.call).parameters
    given = {**dict(zip(names, arguments.args, strict=False)), **arguments.kwargs}
    shapes = layer.compute_output_shape(**as_shapes(given))
    is_one = not isinstance(shapes[0], tuple)
    assert ([shapes] if is_one else list(shapes)) == [x.shape for x in found]


def encoder() -> keras.layers.Layer:
    return ka.BiLSTMEncoder(3, return_state=False)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: ka.AttentionPooling(7), (2, 3, 4)),
        (encoder, (2, 3, 5, 6)),
        (lambda: keras.Sequential([encoder(), ka.AttentionPooling(7)]), (2, 3, 6)),
    ],
)
def test_time_distributed_equals_a_call_for_each_step(make: Any, shape: tuple[int, ...]) -> None:
    layer, x = make(), uniform(2, 3, 5, 4, seed=1)
    inputs = keras.Input((3, 5, 4))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    randomize(model, seed=2)
    each = [to_numpy(layer(x[:, step])) for step in range(3)]
    assert model.output.shape[1:] == shape[1:]
    np.testing.assert_allclose(to_numpy(model(x)), np.stack(each, axis=1), atol=1e-6)


def test_time_distributed_pooling_leaves_out_padded_words_and_sentences() -> None:
    mask = np.arange(5) < np.array([[5, 2, 1], [3, 4, 5]])[..., None]
    x = uniform(2, 3, 5, 4, seed=1)
    pooling = ka.AttentionPooling(7)
    together = keras.layers.TimeDistributed(pooling)(x, mask=keras.ops.convert_to_tensor(mask))
    for row in range(2):
        for step in range(3):
            words = x[row, step, mask[row, step]]
            np.testing.assert_allclose(
                to_numpy(together)[row, step], to_numpy(pooling(words[None]))[0], atol=1e-6
            )


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    "cell",
    [lambda: ka.cells.LayerNormLSTMCell(4), lambda: ka.cells.ResidualCell(keras.layers.GRUCell(4))],
)
def test_keras_layers_around_cells_announce_their_shapes(cell: Any, bidirectional: bool) -> None:
    layer = keras.layers.RNN(cell(), return_sequences=True, return_state=True)
    layer = keras.layers.Bidirectional(layer) if bidirectional else layer
    found = [tuple(x.shape) for x in keras.tree.flatten(layer(uniform(2, 3, 5, seed=1)))]
    announced = [tuple(x.shape) for x in keras.tree.flatten(layer(keras.Input((3, 5), 2)))]
    assert announced == found
    assert list(layer.compute_output_shape((2, 3, 5))) == found


def test_a_decoder_takes_states_in_one_list_per_cell() -> None:
    decoder = ka.AttentionDecoder(
        [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)], ka.BahdanauAttention(5)
    )
    h, c, other = (uniform(2, size, seed=size + i) for i, size in enumerate((4, 4, 3)))
    inputs, memory = uniform(2, 3, 4, seed=5), uniform(2, 7, 6, seed=6)
    flat, nested = (
        to_numpy(decoder(inputs, memory=memory, initial_state=state))
        for state in ([h, c, other], [[h, c], other])
    )
    np.testing.assert_array_equal(nested, flat)


def test_a_mask_that_time_distributed_leaves_counts_by_sentence() -> None:
    words = keras.Input((4, 3), dtype="int32")
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(words)
    lstm = keras.layers.LSTM(5, return_sequences=True)
    vectors = keras.layers.TimeDistributed(ka.AttentionPooling(6))(
        keras.layers.TimeDistributed(lstm)(embedded)
    )
    encoder, pooling = ka.BiLSTMEncoder(4, return_state=False), ka.AttentionPooling(6)
    implied = keras.Model(words, pooling(encoder(vectors)))
    is_sentence = keras.ops.any(words != 0, axis=-1)
    told = keras.Model(words, pooling(encoder(vectors, mask=is_sentence), mask=is_sentence))
    text = np.random.default_rng(3).integers(1, 9, (2, 4, 3))
    text[0, 2:] = text[1, 3:] = text[:, :, 2] = 0
    np.testing.assert_allclose(to_numpy(implied(text)), to_numpy(told(text)), atol=1e-6)
    with pytest.raises(ValueError, match=r"`mask` must match `inputs`: expected .*\(2, 4\)"):
        pooling(np.ones((2, 4, 8), "float32"), mask=np.ones((2, 3, 3), bool))
