"""What every public layer and model guarantees, on every backend: one test per guarantee.

``KERAS_BACKEND=jax pytest tests/conformance`` runs the same tests on JAX.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.arrays import dtype_policy, randomize, to_numpy
from tests.conformance.registry import (
    BASES,
    CONFIGURABLE,
    FIRST_OF_EACH_CLASS,
    NOT_TRAINED_ON,
    PARTS,
    REGISTRY,
    Entry,
)
from tests.public import public_classes
from tests.variants import EXECUTIONS, variants

each_entry = variants("name", REGISTRY, core=FIRST_OF_EACH_CLASS)
NOT_ON_TORCH = "torch.compile takes minutes for each recurrent layer, and is not tested"
not_on_torch = pytest.mark.skipif(keras.backend.backend() == "torch", reason=NOT_ON_TORCH)
TOLERANCE = 5e-6
ON_JAX = keras.backend.backend() == "jax"
# Tracing takes longest: the core suite traces two; on JAX it compiles one of each class.
TRACED_IN_CORE = ("AttentionDecoder-bahdanau", "Seq2Seq-bahdanau")
COMPILED_IN_CORE = FIRST_OF_EACH_CLASS if ON_JAX else TRACED_IN_CORE
# On JAX whatever is not compiled is the exception; on TensorFlow XLA is a choice, and takes long.
XLA_MARKS = [] if ON_JAX else [not_on_torch, pytest.mark.thorough]
with_and_without_jit = pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=XLA_MARKS)]
)

STEPS = [(name, execution) for name in REGISTRY for execution in EXECUTIONS]
STEPS_OF_CORE = [
    (name, execution)
    for name, execution in STEPS
    if (execution == "xla" and ON_JAX and name in FIRST_OF_EACH_CLASS)
    or (execution == "eager" and name in FIRST_OF_EACH_CLASS)
    or (execution == "graph" and name in TRACED_IN_CORE)
]


def random_model(entry: Entry) -> keras.Model:
    model = entry.model()
    randomize(model, seed=17)
    return model


def predict(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    results = model.predict(dict(arrays), verbose=0)
    return list(results) if isinstance(results, list | tuple) else [results]


def outputs(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Like `predict`, but eagerly: tracing a new model takes longer than running it."""
    return [to_numpy(result) for result in keras.tree.flatten(model(dict(arrays)))]


def eager(entry: Entry, layer: Any, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
    return [to_numpy(result) for result in entry.call(layer, tensors)]


def assert_equal(results: list[np.ndarray], expected: list[np.ndarray], atol: float) -> None:
    for one, other in zip(results, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.astype("float32"), other, atol=atol)


def arguments(cls: type) -> dict[str, Any]:
    """The constructor's arguments and their defaults, without Keras's `**kwargs`."""
    # Of the class, Python 3.11.2 would give the signature of `__new__`, which Keras has.
    init = inspect.signature(cls.__init__)  # type: ignore[misc]
    parameters = list(init.parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}


def test_every_public_layer_and_model_is_registered() -> None:
    registered = {type(entry.make()).__name__ for entry in REGISTRY.values()}
    assert registered | BASES | PARTS == public_classes(keras.layers.Layer).keys() | BASES


def test_everything_else_with_a_config_is_registered() -> None:
    configurable = {name for name, cls in public_classes().items() if hasattr(cls, "get_config")}
    layers = public_classes(keras.layers.Layer).keys() - PARTS
    assert set(CONFIGURABLE) == configurable - layers - BASES


@pytest.mark.parametrize("name", [*REGISTRY, *CONFIGURABLE])
def test_every_constructor_argument_is_an_attribute_and_in_the_config(name: str) -> None:
    made = REGISTRY[name].make() if name in REGISTRY else CONFIGURABLE[name]()
    for argument in arguments(type(made)):
        assert hasattr(made, argument)
        assert argument in made.get_config()


def test_the_registry_gives_every_argument_a_value_of_its_own() -> None:
    given: dict[type, set[str]] = {}
    makers = [entry.make for entry in REGISTRY.values()] + list(CONFIGURABLE.values())
    for make in makers:
        made = make()
        config, defaults = made.get_config(), arguments(type(made))
        unusual = {argument for argument in defaults if config[argument] != defaults[argument]}
        given.setdefault(type(made), set()).update(unusual)
    forgotten = {cls.__name__: set(arguments(cls)) - names for cls, names in given.items()}
    assert {name: names for name, names in forgotten.items() if names} == {}


@pytest.mark.parametrize("name", [*REGISTRY, *CONFIGURABLE])
def test_the_config_round_trips_through_json(name: str) -> None:
    made = REGISTRY[name].make() if name in REGISTRY else CONFIGURABLE[name]()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(made)
    assert json.loads(json.dumps(keras.saving.serialize_keras_object(again))) == config


@each_entry
def test_a_saved_model_gives_equal_outputs(name: str, tmp_path: Path) -> None:
    entry = REGISTRY[name]
    model, arrays = random_model(entry), entry.arrays(3, source=5, target=4)
    expected = outputs(model, arrays)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(outputs(loaded, arrays), expected, TOLERANCE)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = entry.model()
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert_equal(outputs(fresh, arrays), expected, TOLERANCE)


@variants("name", REGISTRY, core=COMPILED_IN_CORE)
@with_and_without_jit
def test_compiled_equals_eager_for_any_batch_and_length(name: str, jit_compile: bool) -> None:
    entry = REGISTRY[name]
    layer = entry.make()
    model = entry.model(layer)
    randomize(model, seed=17)
    model.compile(jit_compile=jit_compile)
    for sizes in [(3, 5, 4)] if jit_compile else [(3, 5, 4), (2, 7, 1)]:  # XLA compiles each
        arrays = entry.arrays(*sizes)
        assert_equal(predict(model, arrays), eager(entry, layer, arrays), TOLERANCE)


@each_entry
@variants("policy", ["mixed_float16", "mixed_bfloat16"])
def test_low_precision_is_finite_and_close(name: str, policy: str) -> None:
    entry = REGISTRY[name]
    model, arrays = random_model(entry), entry.arrays(3, source=5, target=4)
    expected = outputs(model, arrays)
    with dtype_policy(policy):
        low = entry.model()
    low.set_weights(model.get_weights())
    results = [array.astype("float32") for array in outputs(low, arrays)]
    assert all(np.isfinite(array).all() for array in results)
    assert_equal(results, expected, atol=0.06 if "bfloat16" in policy else 0.01)


@each_entry
def test_interleaved_calls_equal_separate_ones(name: str) -> None:
    entry = REGISTRY[name]
    layer = entry.make()
    randomize(entry.model(layer), seed=17)
    one, other = entry.arrays(3, 5, 4, seed=1), entry.arrays(1, 1, 1, seed=2)
    first = eager(entry, layer, one)
    second = eager(entry, layer, other)
    assert_equal(eager(entry, layer, one), first, TOLERANCE)
    assert_equal(eager(entry, layer, other), second, TOLERANCE)


@each_entry
def test_rows_do_not_know_each_other(name: str) -> None:
    entry = REGISTRY[name]
    layer = entry.make()
    randomize(entry.model(layer), seed=17)
    arrays = entry.arrays(3, 5, 4)
    together = eager(entry, layer, arrays)
    for row in range(3):
        alone = eager(entry, layer, {key: array[row : row + 1] for key, array in arrays.items()})
        assert_equal(alone, [array[row : row + 1] for array in together], TOLERANCE)


@variants(("name", "execution"), STEPS, core=STEPS_OF_CORE, ids=lambda value: value)
def test_a_step_of_training_reaches_every_weight(name: str, execution: str) -> None:
    entry = REGISTRY[name]
    model, arrays = random_model(entry), entry.arrays(3, 5, 4)
    if not model.trainable_variables:
        pytest.skip("nothing to train")
    if execution == "xla" and keras.backend.backend() == "torch":
        pytest.skip(NOT_ON_TORCH)
    if NOT_TRAINED_ON.get(name) == keras.backend.backend():
        pytest.skip("refused on this backend")
    targets = [np.ones_like(array) for array in outputs(model, arrays)]
    model.compile(keras.optimizers.SGD(0.5), ["mse"] * len(targets), **EXECUTIONS[execution])
    before = [to_numpy(variable).copy() for variable in model.trainable_variables]
    loss = model.train_on_batch(arrays, targets)
    assert np.isfinite(loss).all()
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.abs(to_numpy(variable) - old).max() > 0.0, variable.path


@each_entry
def test_the_weights_have_names_of_their_own(name: str) -> None:
    paths = [variable.path for variable in REGISTRY[name].model().weights]
    assert len(set(paths)) == len(paths)
