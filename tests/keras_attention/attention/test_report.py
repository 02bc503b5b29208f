"""`attention_of`: the weights of whole models, wherever the layers are in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, uniform

IDS = np.array([[3, 4, 5, 6, 7], [8, 9, 0, 0, 0]])
TARGET = np.array([[1, 2, 3], [4, 5, 6]])


def translator() -> tuple[Any, Any]:
    """A model of a decoder and a pooling that returns no weights, and one that does."""
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    memory, *_ = ka.BiLSTMEncoder(3)(keras.layers.Embedding(11, 4, mask_zero=True)(source))
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(6), ka.BahdanauAttention(5), name="decoder")
    pooling = ka.AttentionPooling(5, name="pooling")
    inputs = keras.layers.Embedding(11, 4)(target)
    # Keras builds no model of a second call with more results than the first
    _, decoded = decoder(inputs, memory=memory, return_attention_scores=True)
    _, pooled = pooling(memory, return_attention_scores=True)
    outputs = decoder(inputs, memory=memory)
    model = keras.Model([source, target], [outputs, pooling(memory)])
    randomize(model, seed=3)
    return model, keras.Model([source, target], {"decoder": decoded, "pooling": pooled})


def test_a_loaded_model_shows_the_weights_that_it_does_not_return(tmp_path: Path) -> None:
    model, looked = translator()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = ka.attention_of(loaded, [IDS, TARGET])
    expected = looked.predict([IDS, TARGET], verbose=0)
    assert sorted(found) == ["decoder", "pooling"]
    for name, weights in found.items():
        np.testing.assert_allclose(weights, expected[name], atol=1e-6)
    np.testing.assert_allclose(found["decoder"].sum(-1), 1.0, atol=1e-6)
    assert np.all(found["decoder"][1, :, 2:] == 0.0)


class Subclassed(keras.Model):
    """A model in a model, whose layer is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential([ka.AttentionPooling(3, name="pooling")])

    def call(self, x: Any) -> Any:
        return self.inner(x) + self.inner(2.0 * x)


def test_layers_in_models_of_any_kind_are_found() -> None:
    model, x = Subclassed(), uniform(2, 5, 4, seed=1)
    model(x)
    randomize(model, seed=3)
    found = ka.attention_of(model, x)
    assert list(found) == ["pooling", "pooling/2"]
    pooling = model.inner.layers[0]
    for name, inputs in (("pooling", x), ("pooling/2", 2.0 * x)):
        _, expected = pooling(inputs, return_attention_scores=True)
        np.testing.assert_allclose(found[name], keras.ops.convert_to_numpy(expected), atol=1e-6)


def test_a_training_step_still_works_afterwards() -> None:
    model, _ = translator()
    before = ka.attention_of(model, [IDS, TARGET])
    model.compile(keras.optimizers.SGD(1.0), ["mse", "mse"], run_eagerly=True)
    model.train_on_batch([IDS, TARGET], [np.ones((2, 3, 12)), np.ones((2, 6))])
    after = ka.attention_of(model, [IDS, TARGET])
    assert before.keys() == after.keys()
    assert np.abs(before["decoder"] - after["decoder"]).max() > 0.0


def test_a_model_without_attention() -> None:
    with pytest.raises(ValueError, match=r"`model` must contain an attention layer.*a Sequential"):
        ka.attention_of(keras.Sequential([keras.layers.Dense(2)]), uniform(2, 3, seed=1))


def test_what_is_no_model() -> None:
    model: Any = "model.keras"
    with pytest.raises(TypeError, match=r"`model` must be a Keras model. Received.*model.keras"):
        ka.attention_of(model, IDS)
