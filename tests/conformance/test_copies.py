"""Every layer and model as a pure function, pickled, and copied."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tests.arrays import randomize, to_numpy
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.conformance.test_conformance import outputs
from tests.variants import variants

each_entry = variants("name", REGISTRY, core=FIRST_OF_EACH_CLASS)
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


@each_entry
def test_a_stateless_call_computes_with_the_weights_it_is_given(name: str) -> None:
    model, arrays = REGISTRY[name].model(), REGISTRY[name].arrays(3, source=5, target=4)
    randomize(model, seed=17)
    expected = outputs(model, arrays)
    weights = [
        [keras.ops.convert_to_tensor(to_numpy(variable)) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    randomize(model, seed=18)
    tensors = {key: keras.ops.convert_to_tensor(array) for key, array in arrays.items()}
    results, after = model.stateless_call(*weights, tensors)
    for one, other in zip(keras.tree.flatten(results), expected, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(one), other, atol=1e-6)
    assert len(after) == len(weights[1])


@each_entry
@variants("way", COPIES)
def test_a_copy_answers_the_same_and_shares_nothing(name: str, way: str) -> None:
    model, arrays = REGISTRY[name].model(), REGISTRY[name].arrays(3, source=5, target=4)
    randomize(model, seed=17)
    expected = outputs(model, arrays)
    again = COPIES[way](model)
    randomize(model, seed=18)
    for one, other in zip(outputs(again, arrays), expected, strict=True):
        np.testing.assert_array_equal(one, other)
