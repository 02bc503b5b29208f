"""What an ONNX file may need beside itself and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from keras_attention.export.inspection import Refused
from keras_attention.export.inspection.onnx import inspect_onnx


def value(name: str, kind: int = TensorProto.FLOAT, shape: tuple = (2,)) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(*nodes: Any, tensors: Any = (), **more: Any) -> Any:
    graph = helper.make_graph(nodes, "graph", [value("x")], [value("y")], tensors)
    return helper.make_model(graph, **more)


def evil(domain: str = "evil", **more: Any) -> Any:
    return helper.make_node("Evil", ["x"], ["y"], domain=domain, **more)


def in_a_branch() -> Any:
    bodies = [
        helper.make_graph([evil()], "body", [], [value("y")]),
        helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "other", [], [value("y")]),
    ]
    names = ("then_branch", "else_branch")
    return model_of(helper.make_node("If", ["x"], ["y"], **dict(zip(names, bodies, strict=True))))


def in_a_loop_in_a_branch() -> Any:
    loop = in_a_branch().graph.node[0]
    body = helper.make_graph([loop], "outer", [value("x")], [value("y")])
    return model_of(helper.make_node("Loop", ["", "", "x"], ["y"], body=body))


def in_a_function() -> Any:
    body = helper.make_function(
        "own", "Own", ["x"], ["y"], [evil()], [helper.make_opsetid("evil", 1)]
    )
    return model_of(helper.make_node("Own", ["x"], ["y"], domain="own"), functions=[body])


FOREIGN: dict[str, Callable[[], Any]] = {
    "node": lambda: model_of(evil()),
    "branch": in_a_branch,
    "loop": in_a_loop_in_a_branch,
    "function": in_a_function,
    "another operation of the extensions": lambda: model_of(evil("ai.onnx.contrib")),
}


@pytest.mark.parametrize("place", FOREIGN)
def test_operations_of_other_libraries(place: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(FOREIGN[place](), file)
    with pytest.raises(Refused, match=r"the operation 'Evil' of the domain '(evil|ai.onnx.contr)"):
        inspect_onnx(file)


def test_operations_of_its_own(tmp_path: Path) -> None:
    body = helper.make_function(
        "own", "Own", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], []
    )
    node = helper.make_node("Own", ["x"], ["y"], domain="own")
    onnx.save(model_of(node, functions=[body]), tmp_path / "model.onnx")
    inspect_onnx(tmp_path / "model.onnx")


def outside(location: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(2, "float32"), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    tensor.external_data.add(key="location", value=location)  # the last one counts
    return tensor


def as_initializer(tensor: TensorProto) -> Any:
    return model_of(helper.make_node("Add", ["x", "w"], ["y"]), tensors=[tensor])


def as_constant(tensor: TensorProto) -> Any:
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    return model_of(constant, helper.make_node("Add", ["x", "w"], ["y"]))


@pytest.mark.parametrize("place", [as_initializer, as_constant])
def test_tensors_in_other_files(place: Callable[[Any], Any], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for file in (tmp_path / "secret", folder / "weights", folder / "sub" / "weights"):
        file.write_bytes(np.ones(2, "float32").tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "near").symlink_to(folder / "weights")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    for location in ("weights", "sub/weights"):
        onnx.save(place(outside(location)), folder / "model.onnx")
        inspect_onnx(folder / "model.onnx")
    for location in (
        "../secret",
        "sub/../../secret",
        str(tmp_path / "secret"),
        "..\\secret",
        "link",
        "near",
        "up/secret",
        "absent",
        "sub",
        "*/_ORT_MEM_ADDR_/*",
        "a\0b",
    ):
        onnx.save(place(outside(location)), folder / "model.onnx")
        with pytest.raises(Refused, match=r"it reads tensors from '.*', which is no file in its"):
            inspect_onnx(folder / "model.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a shopping list\n" * 99, "it is damaged, or of another format: "),
        (model_of(evil()).SerializeToString()[:-9], "it is damaged, or of another format: "),
        (b"", "it is no ONNX model: it has no graph"),
    ],
)
def test_damaged_files(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(Refused, match=message) as caught:
        inspect_onnx(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(Refused, match=r"it is no .onnx file"):
        inspect_onnx(file.rename(tmp_path / "model.ort"))
    with pytest.raises(Refused, match="cannot be read: No such file"):
        inspect_onnx(file)


def test_deep_nests_end(tmp_path: Path) -> None:
    """Deeper than Python's stack, and than ONNX Runtime reads."""
    graph = b""
    for _ in range(3000):
        attribute = b"\x32" + _length(graph) + graph
        node = b"\x2a" + _length(attribute) + attribute
        graph = b"\x0a" + _length(node) + node
    (tmp_path / "model.onnx").write_bytes(b"\x3a" + _length(graph) + graph)
    inspect_onnx(tmp_path / "model.onnx")


def _length(content: bytes) -> bytes:
    left, found = len(content), []
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])
