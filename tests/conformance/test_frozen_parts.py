"""Frozen parts of every layer and model stay frozen, whichever way a copy is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, to_numpy
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.variants import variants

each_entry = variants("name", REGISTRY, core=FIRST_OF_EACH_CLASS)


def from_json(layer: Any) -> Any:
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    return keras.saving.deserialize_keras_object(json.loads(text))


def parts(layer: Any) -> list[keras.layers.Layer]:
    """The layer and all layers inside it that have weights."""
    return [part for part in layer._flatten_layers() if part.weights]


def trained(layer: Any) -> list[bool]:
    return [weight.trainable for weight in layer.weights]


def built(name: str, layer: Any) -> Any:
    REGISTRY[name].model(layer)
    return layer


@each_entry
def test_a_configuration_keeps_which_parts_are_frozen(name: str) -> None:
    layer = built(name, REGISTRY[name].make())
    for seed in range(2):
        flags = np.random.default_rng(seed).integers(0, 2, len(parts(layer)))
        for part, flag in zip(parts(layer), flags, strict=True):
            part.trainable = bool(flag)
        again = built(name, from_json(layer))
        assert trained(again) == trained(layer)
        assert [x.trainable for x in parts(again)] == [x.trainable for x in parts(layer)]


@each_entry
def test_a_frozen_layer_trains_nothing_in_a_model(name: str) -> None:
    layer = built(name, REGISTRY[name].make())
    layer.trainable = False
    if isinstance(layer, keras.Model):
        inputs = {
            key: keras.Input(x.shape[1:], None, x.dtype, name=key) for key, x in layer.input.items()
        }
        again = keras.Model(inputs, from_json(layer)(inputs))
    else:
        again = REGISTRY[name].model(from_json(layer))
    assert again.trainable_weights == []


def seq2seq() -> ka.Seq2Seq:
    return ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, 5, encoder_units=3, decoder_units=6, num_heads=2))


COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": keras.models.clone_model,
    "json": lambda model: keras.models.model_from_json(model.to_json()),
    "config": lambda model: type(model).from_config(model.get_config()),
}


@pytest.mark.parametrize("way", COPIES)
def test_frozen_parts_of_a_model_stay_frozen(way: str) -> None:
    model: Any = seq2seq()
    model.encoder.trainable = model.target_embedding.trainable = False
    model.decoder.attention.heads[1].trainable = False
    again = COPIES[way](model)
    assert trained(again) == trained(model)
    assert 0 < len(again.trainable_weights) == len(model.trainable_weights)


def test_a_loaded_model_trains_only_what_was_not_frozen(tmp_path: Path) -> None:
    model = seq2seq()
    randomize(model, seed=3)  # so that no gradient is below the rounding of its weight
    model.bridge.trainable = False
    model.encoder.layers[0]["backward"].trainable = False
    model.compile(keras.optimizers.SGD(0.5), ka.losses.MaskedCrossEntropy(), run_eagerly=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    arrays = REGISTRY["Seq2Seq-bahdanau"].arrays(3, 5, 4)
    loaded.fit(arrays, arrays["target"], verbose=0)
    changed = [
        not np.array_equal(to_numpy(new), to_numpy(old))
        for new, old in zip(loaded.weights, model.weights, strict=True)
    ]
    assert changed == trained(model)


def test_a_frozen_layer_freezes_the_parts_that_it_is_given() -> None:
    attention = ka.BahdanauAttention(4)
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(6), attention, trainable=False)
    assert not attention.trainable
    attention.trainable = True
    assert from_json(decoder).attention.trainable
    assert not from_json(decoder).cells[0].trainable
