"""Whatever returns attention weights on request hands the same ones to `attention_of`."""

from __future__ import annotations

import keras
import numpy as np

import keras_attention as ka
from keras_attention.attention import AttentionLayer
from tests.arrays import randomize, to_numpy
from tests.conformance.registry import FIRST_OF_EACH_CLASS, REGISTRY
from tests.variants import variants


def returns_weights(name: str) -> bool:
    """Whether an entry's second result is its weights, or it is a model that attends."""
    kind = getattr(ka.attention, name.partition("-")[0], None)
    attends = isinstance(kind, type) and issubclass(kind, AttentionLayer | ka.AttentionPooling)
    return attends or name.startswith(("AttentionDecoder", "Seq2Seq"))


WITHOUT = (
    "AttentionDecoder-without-attention",
    "AttentionDecoder-reads-output",  # its other results are states
    "Seq2Seq-without-attention",
)
ATTENDING = [name for name in REGISTRY if returns_weights(name) and name not in WITHOUT]


@variants("name", ATTENDING, core=FIRST_OF_EACH_CLASS)
def test_the_weights_are_those_that_are_returned(name: str) -> None:
    entry = REGISTRY[name]
    layer = entry.make()
    model = entry.model(layer)
    randomize(model, seed=17)
    arrays = entry.arrays(3, source=5, target=4)
    if isinstance(layer, ka.Seq2Seq):
        name, expected = "decoder", layer.with_attention()(arrays)["attention"]
    else:
        name, (_, expected, *_) = layer.name, model(arrays)
    found = ka.attention_of(model, arrays)
    assert found.keys() == {name}
    assert found[name].dtype == np.float32
    np.testing.assert_allclose(found[name], to_numpy(expected), atol=1e-6)


def test_what_is_tested() -> None:
    core = {name for name in ATTENDING if name in FIRST_OF_EACH_CLASS}
    assert len(core) >= 8
    assert all(isinstance(REGISTRY[name].make(), keras.layers.Layer) for name in core)
