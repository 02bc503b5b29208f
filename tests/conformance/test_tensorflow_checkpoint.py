"""TensorFlow's own checkpoints and SavedModels hold every weight of every layer."""

from __future__ import annotations

import subprocess
import sys
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

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="these are TensorFlow's formats"
)
each_entry = variants("name", REGISTRY, core=FIRST_OF_EACH_CLASS)
HOLDS_LISTS = ("AttentionDecoder-gru",)
each_saved_entry = variants("name", REGISTRY, core=HOLDS_LISTS)
IN_A_NEW_PROCESS = """
import sys
import numpy as np
import tensorflow as tf
from tests.conformance.test_tensorflow_checkpoint import trained

model = trained(epochs=0)
checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
checkpoint.restore(tf.train.latest_checkpoint(sys.argv[1])).assert_consumed()
np.savez(sys.argv[2], *(v.numpy() for v in [*model.weights, *model.optimizer.variables]))
"""


def random_model(name: str) -> keras.Model:
    model = REGISTRY[name].model()
    if not model.weights:
        pytest.skip("no weights")
    randomize(model, seed=17)
    return model


@each_entry
def test_a_checkpoint_holds_every_weight(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    # Not compiled: an optimizer holds all weights that it trains, and would hide what is missing.
    model, fresh = random_model(name), REGISTRY[name].model()
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(model=fresh).restore(saved).assert_consumed()
    for restored, expected in zip(fresh.weights, model.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(restored), to_numpy(expected), restored.path)


@each_saved_entry
def test_a_saved_module_holds_every_weight(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    model, arrays = random_model(name), REGISTRY[name].arrays(3, source=5, target=4)
    module = tf.Module()
    module.model = model
    specs = {key: tf.TensorSpec(array.shape, array.dtype) for key, array in arrays.items()}
    module.call = tf.function(lambda x: model(x), input_signature=[specs], autograph=False)
    tf.saved_model.save(module, tmp_path / "saved_model")
    loaded = tf.saved_model.load(tmp_path / "saved_model")
    results = loaded.call({key: tf.constant(array) for key, array in arrays.items()})
    for one, other in zip(tf.nest.flatten(results), outputs(model, arrays), strict=True):
        np.testing.assert_allclose(one, other, atol=5e-6)


def trained(epochs: int, **options: Any) -> keras.Model:
    """A model after some epochs of the same training, with the same weights in the beginning."""
    config = ka.Seq2SeqConfig(
        V,
        V,
        embedding_size=5,
        encoder_units=3,
        decoder_units=7,
        attention_units=2,
        num_heads=2,
    )
    model = ka.Seq2Seq(config)
    randomize(model, seed=17)
    model.compile(keras.optimizers.Adam(0.01), ka.losses.MaskedCrossEntropy(), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    if epochs:
        fit(model, epochs=epochs, **options)
    return model


def fit(model: keras.Model, **options: Any) -> None:
    rng = np.random.default_rng(1)
    source, target = rng.integers(4, V, (6, 5)), rng.integers(4, V, (6, 4))
    inputs = {"source": source, "target": np.roll(target, 1, axis=1)}
    model.fit(inputs, target, batch_size=3, shuffle=False, verbose=0, **options)


def state(model: keras.Model) -> list[np.ndarray]:
    return [to_numpy(v).copy() for v in [*model.weights, *model.optimizer.variables]]


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.thorough
def test_a_new_process_restores_weights_and_optimizer(tmp_path: Path) -> None:
    import tensorflow as tf

    model = trained(epochs=1)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    tf.train.CheckpointManager(checkpoint, tmp_path / "checkpoints", max_to_keep=1).save()
    found = tmp_path / "found.npz"
    program = [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path / "checkpoints", found]
    subprocess.run(program, check=True, cwd=Path(__file__).parents[2])
    with np.load(found) as arrays:
        assert_same(list(arrays.values()), state(model))


@pytest.mark.thorough
def test_training_resumes_from_a_checkpoint(tmp_path: Path) -> None:
    import tensorflow as tf

    model = trained(epochs=2)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    tf.train.CheckpointManager(checkpoint, tmp_path, max_to_keep=1).save()
    resumed = trained(epochs=0)
    again = tf.train.Checkpoint(model=resumed, optimizer=resumed.optimizer)
    again.restore(tf.train.latest_checkpoint(tmp_path)).assert_consumed()
    fit(resumed, epochs=3, initial_epoch=2)
    assert_same(state(resumed), state(trained(epochs=3)))


@pytest.mark.thorough
def test_training_resumes_from_a_backup(tmp_path: Path) -> None:
    class Interruption(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def backup() -> keras.callbacks.Callback:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    with pytest.raises(KeyboardInterrupt):
        trained(epochs=3, callbacks=[backup(), Interruption()])
    assert_same(state(trained(epochs=3, callbacks=[backup()])), state(trained(epochs=3)))
