"""Every mechanism in a model of one's own, with a beam search inside the file, in every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.alignments import Alignment
from keras_attention.attention import AttentionLayer
from tests.arrays import randomize, uniform
from tests.conformance.registry import REGISTRY, D, M, U
from tests.variants import variants

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow exports models"
)

WORDS, T, K = 9, 6, 3
LENGTHS = (1, 3, 8, 13)
WRITERS: dict[str, Any] = {
    "model.tflite": ka.export.to_tflite,
    "model": ka.export.to_saved_model,
    "onnx": ka.export.to_onnx,
}


class Speaker(ka.model.StepModel, keras.Model):
    """A decoder of one's own over the features of one or two sources."""

    target_vocabulary = WORDS

    def __init__(self, decoder: ka.AttentionDecoder, features: dict[str, int]) -> None:
        super().__init__()
        self.source_specs = {
            name: keras.InputSpec(shape=(None, None, size), dtype="float32")
            for name, size in features.items()
        }
        self.has_attention = decoder.attention is not None
        self.embed = keras.layers.Embedding(WORDS, D)
        self.sum_up = None if self.has_attention else keras.layers.Dense(U, "tanh")
        self.decoder = decoder
        self.words = keras.layers.Dense(WORDS)

    def encode(self, source: Any) -> tuple[Any, Any]:
        memory, start = self.read(source)
        prepared = self.decoder.prepare(memory)
        return prepared, self.decoder.initial_state(prepared, start)

    def read(self, source: Any) -> tuple[Any, Any]:
        first, *others = source.values()
        if self.sum_up is not None:
            last = self.sum_up(first[:, -1])
            return None, [last, ops.tanh(last)]
        return [first, *others] if others else first, None

    def decode_step(self, tokens: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        output, weights, state = self.decoder.step(self.embed(tokens), state, memory)
        return ops.log_softmax(self.words(output)), weights, state

    def call(self, inputs: Any) -> Any:
        memory, start = self.read(inputs["source"])
        embedded = self.embed(inputs["target"])
        return self.words(self.decoder(embedded, memory=memory, initial_state=start))


def speaker(name: str) -> Speaker:
    part = REGISTRY[name].make()
    if isinstance(part, Alignment):
        part = ka.BahdanauAttention(U, alignment=part)
    features = {"first": D if REGISTRY[name].specs.get("value", ((), ""))[0] == ("S", D) else M}
    if isinstance(part, AttentionLayer):
        part = ka.AttentionDecoder(keras.layers.LSTMCell(features["first"]), part)
    if name in ("MultiSource", "AttentionDecoder-two-sources"):
        features["second"] = REGISTRY[name].specs["other"][0][1]  # type: ignore[assignment]
    model = Speaker(part, features)
    model({"source": arrays(model, 2), "target": np.ones((2, 1), "int32")})
    randomize(model, seed=len(name), scale=1.0)
    return model


def arrays(model: Speaker, length: int) -> dict[str, np.ndarray]:
    return {
        name: uniform(2, length + i, spec.shape[-1], seed=length + i)
        for i, (name, spec) in enumerate(model.source_specs.items())
    }


def is_mechanism(entry: Any) -> bool:
    part = entry.make()
    is_scheduled = "own_mask" in entry.specs  # reads its own outputs while it is trained
    return isinstance(part, AttentionLayer | Alignment | ka.AttentionDecoder) and not is_scheduled


MECHANISMS = [name for name, entry in REGISTRY.items() if is_mechanism(entry)]
CORE = [("AttentionDecoder-gru", "model.tflite"), ("MultiHead", "onnx")]


@variants(("name", "file"), [(name, file) for name in MECHANISMS for file in WRITERS], core=CORE)
def test_a_beam_in_every_runtime(name: str, file: str, tmp_path: Path) -> None:
    model = speaker(name)
    functions = ka.export.search_functions(model, T, ka.BeamSearch(K, 0.6), ["beam"])
    path = WRITERS[file](model, tmp_path / file, functions=functions)
    calls = {"beam": [arrays(model, length) for length in LENGTHS]}
    assert ka.export.check(path, model, calls, functions=functions, atol=1e-5) == []


def step_calls(model: Speaker, functions: Any) -> dict[str, list[Any]]:
    """Sources of several lengths for `encode`, and its results with tokens for `decode_step`."""
    sources = [arrays(model, length) for length in LENGTHS]
    encoded = [functions["encode"].call(**source) for source in sources]
    tokens = {"tokens": np.array([1, 4], "int32")}
    steps = [tokens | {name: ops.convert_to_numpy(x) for name, x in one.items()} for one in encoded]
    return {"encode": sources, "decode_step": steps}


@variants(("name", "file"), [(name, file) for name in MECHANISMS for file in WRITERS], core=())
def test_a_step_on_the_host_in_every_runtime(name: str, file: str, tmp_path: Path) -> None:
    model = speaker(name)
    functions = ka.export.search_functions(model, T, names=["encode", "decode_step"])
    path = WRITERS[file](model, tmp_path / file, functions=functions)
    calls = step_calls(model, functions)
    assert ka.export.check(path, model, calls, functions=functions, atol=1e-5) == []


@variants(
    ("name", "file"),
    [(name, file) for name in MECHANISMS for file in ("model.tflite", "onnx")],
    core=(),
)
def test_a_step_in_16_bits(name: str, file: str, tmp_path: Path) -> None:
    model = speaker(name)
    functions = ka.export.search_functions(model, T, names=["encode", "decode_step"])
    path = WRITERS[file](model, tmp_path / file, functions=functions, precision="float16")
    calls = step_calls(model, functions)
    assert ka.export.check(path, model, calls, functions=functions, atol=1e-2) == []
