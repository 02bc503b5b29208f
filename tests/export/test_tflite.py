from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.tflite import export_tflite
from keras_attention.serving import ServingModule
from tests.export.toy import (
    ARCHITECTURES,
    BEAM,
    IN_ONNX,
    MAX_SOURCE,
    MAX_TARGET,
    architectures,
    sources,
    toy_model,
)


def runners(path: Path) -> dict[str, Any]:
    interpreter = Interpreter(str(path), num_threads=1)
    return {
        name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()
    }


def longest_first(run: dict[str, Any], vocabulary: int = 29) -> None:
    """What an export's README asks for: LiteRT's beam is not sure of growing lengths."""
    run["beam"](source=sources([MAX_SOURCE], vocabulary, seed=1))


def operators(path: Path) -> set[int]:
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    return {max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes}


def test_equals_keras_on_padded_sources_of_all_lengths_interleaved(exported: Path) -> None:
    arrays = np.load(exported / "reference.npz")
    run = runners(exported / "tflite" / "model.tflite")
    longest_first(run, 27)
    rows = 0
    for number in sorted({key[:3] for key in arrays}):
        for row, source in enumerate(arrays[f"{number}/source"]):
            rows += 1
            for search in ("greedy", "beam"):
                found = run[search](source=source[None])
                for name in ("ids", "lengths"):
                    expected = arrays[f"{number}/{search}/{name}"][row]
                    np.testing.assert_array_equal(found[name][0], expected)
                for name in ("scores", "attention"):
                    expected = arrays[f"{number}/{search}/{name}"][row]
                    np.testing.assert_allclose(found[name][0], expected, atol=1e-5, rtol=1e-5)
    assert rows == 53 + 3


def test_a_loop_of_ones_own(exported: Path) -> None:
    run = runners(exported / "tflite" / "model.tflite")
    source = sources([7], 27, seed=11)
    expected = run["greedy"](source=source)
    encoded, token, ids = run["encode"](source=source), np.ones(1, "int32"), []
    for _ in range(int(expected["lengths"][0, 0])):
        outputs = run["decode_step"](tokens=token, **encoded)
        encoded |= {n.removeprefix("next_"): x for n, x in outputs.items() if "state" in n}
        token = outputs["log_probs"].argmax(axis=-1).astype("int32")
        ids.append(int(token[0]))
        assert outputs["weights"].sum() == pytest.approx(1, abs=1e-6)
    assert ids == expected["ids"][0, 0, : len(ids)].tolist()


def test_builtin_operators_and_weights_once(exported: Path) -> None:
    path = exported / "tflite" / "model.tflite"
    used = operators(path)
    assert schema.BuiltinOperator.WHILE in used
    assert schema.BuiltinOperator.CUSTOM not in used
    assert schema.BuiltinOperator.VAR_HANDLE not in used


def test_tokenizers_and_config_are_in_the_same_file(exported: Path) -> None:
    with zipfile.ZipFile(exported / "tflite" / "model.tflite") as archive:
        assert archive.testzip() is None
        inside = {name: archive.read(name) for name in archive.namelist()}
    names = ["source.model", "target.model", "config.json"]
    assert inside == {name: (exported / name).read_bytes() for name in names}


def test_no_source_is_cut(exported: Path, run: Any) -> None:
    source = sources([MAX_SOURCE + 17], 27, seed=13)
    found = runners(exported / "tflite" / "model.tflite")["greedy"](source=source)
    expected = run.model().generate(source, None, MAX_TARGET)
    longest = expected.ids.shape[2]
    np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
    assert found["attention"].shape == (1, 1, MAX_TARGET, MAX_SOURCE + 17)


def test_two_sources_at_once_are_refused_by_the_runtime(exported: Path) -> None:
    with pytest.raises(RuntimeError):
        runners(exported / "tflite" / "model.tflite")["greedy"](source=sources([3, 4], 27, seed=1))


@pytest.mark.parametrize("changes", architectures(ARCHITECTURES.keys() - IN_ONNX))
def test_other_architectures_convert(changes: dict[str, Any], tmp_path: Path) -> None:
    model = toy_model(**changes)
    serving = ServingModule(model, MAX_TARGET, BEAM, batch_size=1)
    run = runners(export_tflite(serving, tmp_path / "model.tflite"))
    longest_first(run)
    for length in (1, 5, 9):
        source = sources([length], 29, seed=length, pad_to=7)
        for name, search in (("greedy", None), ("beam", BEAM)):
            expected = model.generate(source, search, MAX_TARGET)
            found = run[name](source=source)
            assert ("attention" in found) == (expected.attention is not None)
            longest = expected.ids.shape[2]
            np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
            np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-5, rtol=1e-5)


def test_any_batch_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"batch_size=1\. Received: batch_size=None"):
        export_tflite(ServingModule(toy_model(), 5), tmp_path / "model.tflite")
