"""A model with axes of unknown length in LiteRT: equal to Keras whatever lengths came before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_attention.export.litert_workspace import ROOM, with_reserved_workspace
from tests.arrays import randomize
from tests.conformance.registry import REGISTRY, Entry
from tests.conformance.test_conformance import outputs
from tests.variants import variants

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow converts to LiteRT"
)
LONGEST = 20
LENGTHS = ((2, 2), (5, 4), (9, 6), (17, 12), (3, 1), (ROOM * LONGEST, 24))
"""Of source and target, in the order of the calls; mostly growing."""
CORE = ("Monotonic", "AttentionDecoder-bahdanau")
"""A loop over queries, over positions, over time in Keras's LSTM, and in our decoder."""
each_entry = variants(
    "name",
    [
        name
        for name, entry in REGISTRY.items()
        if any("S" in s or "T" in s for s, _ in entry.specs.values())
    ],
    core=CORE,
)


def convert(entry: Entry, model: keras.Model, folder: Path) -> str:
    """Convert a model with batch size 1 and all lengths unknown, as a user would."""
    import tensorflow as tf

    module = tf.Module()
    module.variables_of_the_model = [variable.value for variable in model.variables]

    @tf.function(autograph=False)
    def call(**inputs: Any) -> dict[str, Any]:
        results = model(with_reserved_workspace(inputs, model, LONGEST))
        return {f"result_{i}": x for i, x in enumerate(tf.nest.flatten(results))}

    signature = call.get_concrete_function(
        **{
            name: tf.TensorSpec(
                [1, *(None if isinstance(n, str) else n for n in shape)], dtype, name
            )
            for name, (shape, dtype) in entry.specs.items()
        }
    )
    tf.saved_model.save(module, folder / "saved", signatures=signature)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    path = folder / "model.tflite"
    path.write_bytes(converter.convert())
    return str(path)


@each_entry
def test_growing_lengths(name: str, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from keras_attention.export.runtimes.allocations import watched

    entry = REGISTRY[name]
    model = entry.model()
    randomize(model, seed=17)
    path = convert(entry, model, tmp_path)
    inputs = [entry.arrays(1, *lengths) for lengths in LENGTHS]
    expected = [outputs(model, arrays) for arrays in inputs]
    for _ in range(2):
        run = Interpreter(path, num_threads=1).get_signature_runner()
        found = [run(**inputs[0])]
        with watched() as sizes:
            found += [run(**arrays) for arrays in inputs[1:]]
        assert sizes == [] or sys.platform != "linux"
        for ours, theirs in zip(found, expected, strict=True):
            for i, y in enumerate(theirs):
                np.testing.assert_allclose(ours[f"result_{i}"], y, rtol=0, atol=1e-5)


def test_known_lengths_need_no_workspace() -> None:
    given = keras.Input((3, 4), batch_size=1)
    with pytest.raises(ValueError, match=r"`inputs` must have an axis of unknown .*\(1, 3, 4\)"):
        with_reserved_workspace({"x": given}, keras.Model(given, given), 9)
