from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jax
import keras
import numpy as np
import pytest

import keras_attention as ka
from training.fitting.optimizer import compiled_model
from training.hosts.step import compiled_step, to_own_device, train_function
from training.recipes.config import TrainConfig
from training.recipes.reading import load_config

SMALL = (
    "model.source_vocabulary=30",
    "model.target_vocabulary=20",
    "model.embedding_size=6",
    "model.encoder_units=8",
    "model.decoder_units=8",
    "model.attention_units=5",
    "training.dtype=float32",
    "training.learning_rate=0.05",
    "training.jit_compile=true",
    "training.warmup_steps=1",
    "training.steps=8",
    "training.steps_per_epoch=4",
    "training.clip_norm=0.5",
    "training.weight_decay=0.01",
    "training.average_decay=0.9",
    "training.label_smoothing=0.1",
)
DROPPED = ("model.dropout=0.3", "model.word_dropout=0.2", "model.recurrent_dropout=0.3")
NONE_DROPPED = ("model.dropout=0", "model.word_dropout=0", "model.recurrent_dropout=0")


def config(*overrides: str) -> TrainConfig:
    return load_config("dates", [*SMALL, *overrides])


def batches(rows: int = 8) -> Iterator[Any]:
    """Rows with 1 to 6 tokens, so that each device has a different number of them; one is empty."""
    random = np.random.default_rng(3)
    while True:
        lengths = np.sort(random.integers(1, 7, rows))
        lengths[-1] = 0
        at = np.arange(6) < lengths[:, None]
        source = np.where(np.arange(9) < lengths[:, None] + 2, random.integers(3, 30, (rows, 9)), 0)
        target, labels = (np.where(at, random.integers(3, 20, (rows, 6)), 0) for _ in range(2))
        yield {"source": source, "target": target}, labels


def trained(model: ka.Seq2Seq, run: Any = None) -> dict[str, float]:
    """Train for two epochs of four steps, by Keras's function or by another; return the logs."""
    if run is not None:
        model.train_function = run
    collect = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: to_own_device(model))
    history = model.fit(
        batches(), steps_per_epoch=4, epochs=2, shuffle=False, callbacks=[collect], verbose=0
    )
    return {name: values[-1] for name, values in history.history.items()}


def state_of(model: ka.Seq2Seq) -> Any:
    return model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )


def model_of(given: TrainConfig) -> ka.Seq2Seq:
    keras.utils.set_random_seed(5)
    return compiled_model(given)


@pytest.mark.parametrize("dropped", [DROPPED, NONE_DROPPED], ids=["dropout", "without dropout"])
def test_four_devices_learn_what_one_learns(dropped: tuple[str, ...]) -> None:
    alone, together = model_of(config(*dropped)), model_of(config(*dropped))
    one = trained(alone, train_function(alone, jax.devices()[:1]))
    four = trained(together, train_function(together, jax.devices()))
    assert four == pytest.approx(one, rel=1e-5)
    variables = zip(
        (*alone.variables, *alone.optimizer.variables),
        (*together.variables, *together.optimizer.variables),
        strict=True,
    )
    for expected, variable in variables:
        np.testing.assert_allclose(variable, expected, rtol=1e-3, atol=2e-5, err_msg=variable.path)


def test_one_device_learns_what_keras_learns() -> None:
    ours, theirs = model_of(config(*NONE_DROPPED)), model_of(config(*NONE_DROPPED))
    logs = trained(ours, train_function(ours, jax.devices()[:1]))
    assert logs == pytest.approx(trained(theirs), rel=1e-5)
    for expected, variable in zip(theirs.variables, ours.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-3, atol=2e-5, err_msg=variable.path)


def test_gradients_are_summed_outside_of_all_loops() -> None:
    model = model_of(config(*DROPPED))
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("rows",))
    state = state_of(model)
    text = compiled_step(model, mesh).lower(state, next(batches())).compile().as_text()
    assert " while(" in text
    assert "all-reduce" in text
    for computation in re.split(r"\n\n", text):
        if re.search(r"\b(all-reduce|all-gather|all-to-all|collective-permute)", computation):
            assert "\nENTRY" in f"\n{computation}", computation[:200]


def test_rows_of_padding_alone_count_nowhere() -> None:
    """The last row of `batches` is empty: with eight devices it would be alone on one of them."""
    model = model_of(config(*NONE_DROPPED))
    run = train_function(model, jax.devices())
    inputs, labels = next(batches(rows=4))
    state = state_of(model)
    logs, after = run(state, iter([(inputs, labels)]))
    assert float(logs["tokens"]) == np.count_nonzero(labels)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after))
