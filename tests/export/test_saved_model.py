from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from export.saved_models import export_saved_models
from keras_attention.export.inspection.saved_model import inspect_saved_model
from keras_attention.export.saved_model import save
from keras_attention.export.serving import ServingModule
from keras_attention.text.runs import RunDirectory
from tests.export.toy import (
    BEAM,
    MAX_SOURCE,
    MAX_TARGET,
    each_architecture,
    fresh_python,
    texts,
    tokenizer,
    toy_model,
)
from tests.variants import variants

LOAD = """
import sys
import numpy as np, tensorflow as tf
arrays = np.load(sys.argv[2])
loaded = tf.saved_model.load(sys.argv[1])
def call(name, **inputs):
    found = loaded.signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
    return {k: v.numpy() for k, v in found.items()}
"""
LOAD_IN_A_SESSION = """
import sys
import numpy as np, tensorflow as tf
arrays = np.load(sys.argv[2])
session = tf.compat.v1.Session(graph=tf.Graph())
with session.graph.as_default():
    meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], sys.argv[1])
def call(name, **inputs):
    signature = meta.signature_def[name]
    feed = {signature.inputs[k].name: v for k, v in inputs.items()}
    return session.run({k: v.name for k, v in signature.outputs.items()}, feed)
"""
COMPARE = """
rows = 0
batches = sorted({key[:3] for key in arrays})
for number in [*batches, *reversed(batches)]:
    for search in ("greedy", "beam"):
        found = call(search, source=arrays[f"{number}/source"])
        for name in ("ids", "lengths"):
            np.testing.assert_array_equal(found[name], arrays[f"{number}/{search}/{name}"])
        for name in ("scores", "attention"):
            expected = arrays[f"{number}/{search}/{name}"]
            np.testing.assert_allclose(found[name], expected, atol=1e-5, rtol=1e-5)
    rows += len(found["ids"])
foreign = {"keras_attention", "tensorflow_text"} & set(sys.modules)
assert not foreign, foreign
print(rows)
"""


@pytest.mark.thorough
@variants("load", [LOAD_IN_A_SESSION, LOAD], ids=["session", "load"])
def test_ids_equal_keras_in_a_fresh_process(exported: Path, tmp_path: Path, load: str) -> None:
    path = exported / "saved_model" / "toy-ids" / "1"
    rows = fresh_python(load + COMPARE, path, exported / "reference.npz", cwd=tmp_path)
    assert int(rows) == 2 * (53 + 3)


@pytest.mark.thorough
def test_strings_in_a_session_as_a_server_loads_them(
    exported: Path, run: RunDirectory, tmp_path: Path
) -> None:
    import keras_attention as ka

    load = "import tensorflow_text" + LOAD_IN_A_SESSION
    code = """
print(*call("serving_default", text=[t.encode() for t in sys.argv[3:]])["text"][:, 0], sep="\\n")
"""
    path, given = exported / "saved_model" / "toy" / "1", texts(53)
    out = fresh_python(load + code, path, exported / "reference.npz", *given, cwd=tmp_path)
    expected = [translation.text for translation in ka.Translator.from_run(run.path)(given)]
    assert [eval(line).decode() for line in out.splitlines()] == expected
    assert len(set(expected)) > 3


def test_two_models_in_one_process_keep_their_own_tokenizers(
    exported: Path, run: RunDirectory, tmp_path: Path
) -> None:
    source, target = run.tokenizers()
    model = toy_model(source.vocabulary_size, source_vocabulary=target.vocabulary_size)
    other = ServingModule(model, 7, tokenizers=(target, source))
    given = tf.constant(["ΓΔ", "ab 1", "éΣ/"])
    expected = other.functions(["translate"])["translate"](text=given)["text"].numpy()
    loaded = [
        tf.saved_model.load(str(path))
        for path in (exported / "saved_model/toy/1", save(other, tmp_path / "x", ["translate"]))
    ]
    first, second, third = (
        loaded[i].signatures["translate"](text=given)["text"].numpy() for i in (0, 1, 0)
    )
    np.testing.assert_array_equal(second, expected)
    np.testing.assert_array_equal(third, first)
    assert any(text.decode().isalnum() and text.isascii() for text in second.ravel())
    assert not any(text.strip(b" /-_") and text.isascii() for text in first.ravel())


def test_signatures_and_their_names(exported: Path) -> None:
    text, ids = (
        tf.saved_model.load(str(exported / "saved_model" / name / "1")).signatures
        for name in ("toy", "toy-ids")
    )
    assert set(text) == {"translate", "translate_search", "serving_default"}
    assert set(ids) == {"greedy", "beam", "search", "encode", "decode_step", "serving_default"}
    assert set(ids["decode_step"].structured_outputs) == {
        "log_probs",
        "weights",
        "next_state_0",
        "next_state_1",
    }
    assert ids["greedy"].structured_input_signature[1]["source"].shape.as_list() == [None, None]
    assert ids["beam"].structured_outputs["ids"].shape.as_list() == [None, 3, 11]


def test_a_saved_model_without_its_weights_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = ServingModule(toy_model(), 5)
    original = tf.saved_model.save

    def forgetful(module: tf.Module, path: str, **kwargs: object) -> None:
        original(module, path, **kwargs)
        next(Path(path).glob("variables/*.data-*")).write_bytes(b"")

    monkeypatch.setattr(tf.saved_model, "save", forgetful)
    with pytest.raises(RuntimeError, match=r"weight once, \d+ bytes in total\. Received: 0 bytes"):
        save(serving, tmp_path / "model", ["encode"])


def test_mixed_lengths_are_what_is_compared(exported: Path) -> None:
    arrays = np.load(exported / "reference.npz")
    shapes = {arrays[key].shape for key in arrays if key.endswith("source")}
    assert len({rows for rows, _ in shapes}) > 2
    assert len({length for _, length in shapes}) > 1


@pytest.mark.thorough
@each_architecture()
@pytest.mark.parametrize("search", [BEAM, None], ids=["beam", "greedy"])
def test_the_operations_of_all_mechanisms_are_known(
    changes: dict, search: object, tmp_path: Path
) -> None:
    """`verify` refuses others, because exports come from other people."""
    both = tokenizer()
    model = toy_model(both.vocabulary_size, **changes)
    given = (MAX_TARGET, BEAM, search, (both, both), MAX_SOURCE)
    for path in export_saved_models(ServingModule(model, *given), tmp_path, "toy"):
        inspect_saved_model(path, of_runs=True)
