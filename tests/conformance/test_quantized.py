"""Keras quantizes what it can inside of every layer and model, and low-rank updates train there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize, to_numpy
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY, V
from tests.conformance.test_conformance import outputs
from tests.variants import variants

pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize:UserWarning"),
    pytest.mark.filterwarnings("ignore:Invalid quantization mode:UserWarning"),  # for embeddings
]
MODES = ["int8", "float8", "int4"]
LARGEST_CHANGE = {"int8": 0.05, "float8": 0.2, "int4": 0.4}  # relative to the largest output
IS_OLD = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
each_entry = variants("name", REGISTRY, core=FIRST_OF_EACH_CLASS)
each_mode = variants("mode", MODES[:2] if IS_OLD else MODES, core=MODES[:1])


def quantizable(model: Any) -> list[keras.layers.Layer]:
    """The parts that Keras can quantize: its dense layers and embeddings."""
    kinds = (keras.layers.Dense, keras.layers.Embedding)
    return [part for part in model._flatten_layers() if isinstance(part, kinds)]


def quantized(model: Any) -> list[str]:
    return sorted(part.path for part in quantizable(model) if part.quantization_mode)


@each_entry
@each_mode
def test_quantized_parts_are_saved_and_loaded(name: str, mode: str, tmp_path: Path) -> None:
    entry = REGISTRY[name]
    model, arrays = entry.model(), entry.arrays(3, source=5, target=4)
    randomize(model, seed=17)
    expected = outputs(model, arrays)
    if IS_OLD and "tied" in name:
        with pytest.warns(UserWarning, match="Tied embeddings are quantized by .* does not have"):
            model.quantize(mode)
        return
    model.quantize(mode)
    found = outputs(model, arrays)
    for one, other in zip(found, expected, strict=True):
        assert np.max(np.abs(one - other)) <= LARGEST_CHANGE[mode] * np.max(np.abs(other))
    kinds = keras.layers.Dense if mode == "float8" else (keras.layers.Dense, keras.layers.Embedding)
    parts = [part for part in quantizable(model) if isinstance(part, kinds)]
    assert quantized(model) == sorted(part.path for part in parts)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(quantized(loaded)) == len(quantized(model))
    for one, other in zip(outputs(loaded, arrays), found, strict=True):
        np.testing.assert_array_equal(one, other)


def seq2seq() -> ka.Seq2Seq:
    config = ka.Seq2SeqConfig(
        V, V, 8, encoder_units=6, decoder_units=12, attention_units=5, attention_layer_units=10
    )
    model = ka.Seq2Seq(config)
    randomize(model, seed=23)
    return model


SOURCE = np.array([[5, 6, 7, 2], [8, 2, 0, 0]])
TARGET = np.array([[4, 5, 2], [6, 2, 0]])


def log_probs(model: Any) -> np.ndarray:
    return np.asarray(model.score(SOURCE, TARGET).log_probs)


@pytest.mark.thorough
@each_mode
def test_a_search_uses_quantized_weights(mode: str, tmp_path: Path) -> None:
    model, untouched = seq2seq(), seq2seq()
    both = ka.model.Ensemble([model, untouched])
    before = model.generate(SOURCE, max_length=4), log_probs(model), log_probs(both)
    model.quantize(mode)
    after = model.generate(SOURCE, max_length=4), log_probs(model), log_probs(both)
    for one, other in zip(after[1:], before[1:], strict=True):
        change = np.max(np.abs(one - other))
        assert change < LARGEST_CHANGE[mode] * np.max(np.abs(other))
        # Compilers may leave out what rounds to float8 and back, as XLA of JAX 0.4.30 does.
        assert change > 0 or (mode == "float8" and IS_OLD)
    inputs = {
        "source": SOURCE,
        "target": np.pad(TARGET[:, :-1], ((0, 0), (1, 0)), constant_values=1),
    }
    logits = to_numpy(model(inputs))
    expected = np.take_along_axis(
        logits - np.log(np.sum(np.exp(logits), -1, keepdims=True)), TARGET[..., None], -1
    )[..., 0]
    # What is fused rounds other sums to float8: without compilation, all agree within 1e-6.
    atol = 0.05 if mode == "float8" else 1e-4
    np.testing.assert_allclose(after[1], np.where(TARGET > 0, expected, 0.0), atol=atol)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(log_probs(loaded), after[1])
    again = loaded.generate(SOURCE, max_length=4)
    np.testing.assert_array_equal(again.scores, after[0].scores)
    clone = keras.models.clone_model(model)
    assert len(quantized(clone)) == len(quantized(model)) > 3


@pytest.mark.skipif(IS_OLD, reason="this version of Keras does not have these modes")
@pytest.mark.parametrize(("mode", "options"), [("gptq", "GPTQConfig"), ("awq", "AWQConfig")])
def test_calibrated_modes_are_refused_before_anything_changes(mode: str, options: str) -> None:
    model = seq2seq()
    config = getattr(keras.quantizers, options)(dataset=["a b"], tokenizer=str.split)
    with pytest.raises(ValueError, match=rf"must be 'int8', 'int4' or 'float8'.*mode='{mode}'"):
        model.quantize(config=config)
    assert quantized(model) == []
    with pytest.raises(ValueError, match=options):
        model.quantize(mode)


def kinds(weights: Any) -> list[Any]:
    """Names and shapes, without the numbers that Keras gives to layers."""
    return sorted((weight.path.rpartition("/")[2], tuple(weight.shape)) for weight in weights)


def test_low_rank_updates_stay_in_copies(tmp_path: Path) -> None:
    model = seq2seq()
    for part in quantizable(model):
        part.enable_lora(2)
    model.save(tmp_path / "model.keras")
    expected = kinds(model.trainable_weights)
    assert sum("lora" in name for name, _ in expected) >= 4
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        assert kinds(copy.trainable_weights) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("mode", [None, "int8"])
def test_low_rank_updates_train_alone_and_are_saved(mode: str | None, tmp_path: Path) -> None:
    model = seq2seq()
    before = log_probs(model)
    if mode is not None:
        model.quantize(mode)
        before = log_probs(model)
    frozen = [w for w in model.weights if w.path.startswith("encoder/")]
    for part in quantizable(model):
        part.enable_lora(2)
    np.testing.assert_allclose(log_probs(model), before, atol=1e-6)  # they begin with zeros
    start = [to_numpy(w) for w in frozen]
    model.encoder.trainable = False
    model.compile(keras.optimizers.Adam(0.05), ka.losses.MaskedCrossEntropy())
    inputs = {
        "source": SOURCE,
        "target": np.pad(TARGET[:, :-1], ((0, 0), (1, 0)), constant_values=1),
    }
    losses = model.fit(inputs, TARGET, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    for one, other in zip(frozen, start, strict=True):
        np.testing.assert_array_equal(to_numpy(one), other)
    trained = log_probs(model)
    assert np.sum(trained) > np.sum(before) + 0.5
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(log_probs(loaded), trained, atol=1e-4 if mode is None else 0.05)
