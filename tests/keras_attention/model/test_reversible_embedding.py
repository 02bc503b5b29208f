"""What stands in for Keras's `ReversibleEmbedding` where Keras is too old to have one."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention.model.reversible_embedding import REVERSIBLE_EMBEDDING, ReversibleEmbedding
from tests.arrays import dtype_policy, randomize, to_numpy, uniform

V, D = 11, 5
IDS = np.array([[3, 0, 7], [10, 4, 4]])


def tied(kind: type[keras.layers.Layer]) -> keras.Model:
    """From ids to their own logits, and the features between."""
    layer = kind(V, D, name="embedding")
    ids = keras.Input((None,), dtype="int32")
    features = layer(ids)
    return keras.Model(ids, [features, layer(features, reverse=True)])


def test_it_embeds_and_projects_back_with_the_same_weights() -> None:
    layer = ReversibleEmbedding(V, D)
    layer.build()
    weights = uniform(V, D, seed=1)
    layer.set_weights([weights])
    np.testing.assert_array_equal(to_numpy(layer(IDS)), weights[IDS])
    features = uniform(2, 3, D, seed=2)
    expected = np.einsum("btd,vd->btv", features, weights)
    np.testing.assert_allclose(to_numpy(layer(features, reverse=True)), expected, atol=1e-6)


def test_its_weights_are_the_embeddings_alone() -> None:
    model = tied(ReversibleEmbedding)
    assert [variable.path for variable in model.weights] == ["embedding/embeddings"]
    assert [tuple(output.shape) for output in model.outputs] == [(None, None, D), (None, None, V)]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_it_stands_in_for_the_one_of_keras(policy: str, tmp_path: Path) -> None:
    if REVERSIBLE_EMBEDDING is ReversibleEmbedding:
        pytest.skip("this Keras has none")
    with dtype_policy(policy):
        ours, theirs = tied(ReversibleEmbedding), tied(REVERSIBLE_EMBEDDING)
    randomize(ours, seed=3)
    for one, other in ((ours, theirs), (theirs, ours)):
        one.save_weights(tmp_path / "tied.weights.h5")
        randomize(other, seed=4)
        other.load_weights(tmp_path / "tied.weights.h5")
        for found, expected in zip(other(IDS), one(IDS), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=1e-6)


def test_it_says_that_it_cannot_be_quantized() -> None:
    layer = ReversibleEmbedding(V, D)
    layer.build()
    with pytest.raises(NotImplementedError, match=r"does not have. Received: mode='int8'"):
        layer.quantize("int8")
    model = tied(ReversibleEmbedding)
    before = model.get_weights()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.quantize("int8")
    assert any("Tied embeddings are quantized by" in str(warning.message) for warning in caught)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
