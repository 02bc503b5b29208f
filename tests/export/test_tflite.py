from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from benchmarks import litert_workspace
from keras_attention.backend.tensorflow_workspace import reserve_workspace
from keras_attention.export.runtimes.allocations import watched
from keras_attention.export.serving import ServingModule
from keras_attention.export.tflite import export_tflite
from tests.export.toy import (
    BEAM,
    MAX_SOURCE,
    MAX_TARGET,
    each_architecture,
    sources,
    toy_model,
)
from tests.variants import variants


def runners(path: Path) -> dict[str, Any]:
    interpreter = Interpreter(str(path), num_threads=1)
    return {
        name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()
    }


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="allocations are seen on Linux only")


def grown(path: Path, lengths: Sequence[int] = (1, 5, 9, 26), runs_alone: str = "") -> int:
    """Bytes of XNNPACK's workspace after the first call if it has grown, otherwise 0.

    Args:
        path: The file.
        lengths: Lengths of the sources, in this order.
        runs_alone: A signature with an interpreter of its own; if empty, all others are called.
    """
    encode = runners(path)["encode"]
    encoded = [encode(source=sources([length], 29, seed=length)) for length in lengths]
    run = runners(path)

    def call(place: int) -> None:
        if not runs_alone:
            for name in ("greedy", "beam", "encode"):
                run[name](source=sources([lengths[place]], 29, seed=lengths[place]))
        run["decode_step"](tokens=np.ones(1, "int32"), **encoded[place])

    call(0)
    with watched() as sizes:
        for place in range(1, len(lengths)):
            call(place)
    return max(sizes, default=0)


def computed_without_reserving(path: Path, signature: str) -> list[int]:
    """The operators of a signature that use its inputs without waiting for the reserving loop.

    XNNPACK runs no operator without a float32 input, and none that the loop itself waits for.
    """
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    (definition,) = [x for x in model.signatureDefs if x.signatureKey.decode() == signature]
    graph = model.subgraphs[definition.subgraphIndex]
    kinds = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    ran, waiting, found = set(graph.inputs), set[int](), []
    loops = 0
    for operator in graph.operators:
        kind, inputs = kinds[operator.opcodeIndex], set(operator.inputs)
        is_first_loop = kind == schema.BuiltinOperator.WHILE and not loops
        loops += kind == schema.BuiltinOperator.WHILE
        if is_first_loop or inputs & waiting:
            waiting |= set(operator.outputs)
        elif inputs & ran:
            ran |= set(operator.outputs)
            types = [graph.tensors[i].type for i in inputs & ran]
            is_shape = kind == schema.BuiltinOperator.SHAPE
            if schema.TensorType.FLOAT32 in types and not is_shape:
                found.append(kind)
    assert loops
    return found


def operators(path: Path) -> set[int]:
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    return {max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes}


def test_equals_keras_on_padded_sources_of_all_lengths_interleaved(exported: Path) -> None:
    arrays = np.load(exported / "reference.npz")
    run = runners(exported / "tflite" / "model.tflite")
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


@each_architecture()
def test_other_architectures_convert(changes: dict[str, Any], tmp_path: Path) -> None:
    model = toy_model(**changes)
    serving = ServingModule(model, MAX_TARGET, BEAM, None, None, MAX_SOURCE, batch_size=1)
    path = export_tflite(serving, tmp_path / "model.tflite")
    run = runners(path)
    for length in (1, 5, 9):
        source = sources([length], 29, seed=length, pad_to=7)
        for name, search in (("greedy", None), ("beam", BEAM)):
            expected = model.generate(source, search, MAX_TARGET)
            found = run[name](source=source)
            assert ("attention" in found) == (expected.attention is not None)
            longest = expected.ids.shape[2]
            np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
            np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-5, rtol=1e-5)
    assert grown(path) == 0
    for name in ("greedy", "beam", "encode"):
        assert computed_without_reserving(path, name) == []
    if model.decoder.attention is not None and model.decoder.attention.state_count:
        assert grown(path, runs_alone="decode_step") == 0
        assert computed_without_reserving(path, "decode_step") == []


@pytest.mark.thorough
@on_linux
@variants("is_limited", [True, False])
def test_no_later_call_makes_the_workspace_grow(is_limited: bool, tmp_path: Path) -> None:
    model, most = toy_model(), MAX_SOURCE if is_limited else None
    serving = ServingModule(model, MAX_TARGET, BEAM, None, None, most, batch_size=1)
    path = export_tflite(serving, tmp_path / "model.tflite")
    room = 2 * (most or 128)
    assert grown(path, lengths=(3, 7, room)) == 0
    assert grown(path, lengths=(3, 7, room + 1)) > 0
    assert grown(path, lengths=(room + 1, 2 * room, 5)) == 0


@pytest.mark.thorough
@on_linux
def test_the_reproduction_grows_without_the_way_out(tmp_path: Path) -> None:
    def reserved(length: Any) -> Any:
        zero = reserve_workspace(length, room=9, floats=9 * 1024)
        return length + tf.cast(zero, "int32")

    ways = {"bare": None, "reproduced": litert_workspace.reserve, "ours": reserved}
    for name, way in ways.items():
        path = tmp_path / f"{name}.tflite"
        litert_workspace.convert(path, way)
        run = Interpreter(str(path), num_threads=1).get_signature_runner("attend")
        first, *later = litert_workspace.LENGTHS
        run(source=np.ones((first, 28), "float32"))
        with watched() as sizes:
            for length in later:
                run(source=np.ones((length, 28), "float32"))
        assert bool(sizes) == (way is None)
        if way is not None:
            assert litert_workspace.wrong_calls(path, 20) == {1: 0, 5: 0, 9: 0}


def test_any_batch_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"batch_size=1.*Received: batch_size=None"):
        export_tflite(ServingModule(toy_model(), 5), tmp_path / "model.tflite")
