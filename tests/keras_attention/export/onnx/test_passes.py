from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from keras_attention.export.onnx.canonical import to_canonical_form
from keras_attention.export.onnx.matrices import matrices_around_inner_loops, matrices_into_loops
from keras_attention.export.onnx.passes import (
    loop_constants_to_outer_scope,
    name_dimensions,
    op_types,
)
from keras_attention.export.onnx.scopes import scopes

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
WEIGHT = np.array([[2.0, -1.0], [0.5, 3.0]], "float32")


def value(name: str, dtype: int, shape: list | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def loop_model(through_identity: bool, weight_is_an_output: bool) -> onnx.ModelProto:
    """x -> x W + x, three times: W is carried; so is x0, which the body adds."""
    returned = "w_copy" if through_identity else "w"
    nodes = [
        helper.make_node("MatMul", ["h", "w"], ["hw"]),
        helper.make_node("Add", ["hw", "x0"], ["h_next"]),
        helper.make_node("Identity", ["go"], ["go_on"]),
    ]
    if through_identity:
        nodes.append(helper.make_node("Identity", ["w"], ["w_between"]))
        nodes.append(helper.make_node("Identity", ["w_between"], ["w_copy"]))
    body = helper.make_graph(
        nodes,
        "body",
        [
            value("i", INT64, []),
            value("go", BOOL, []),
            value("w", FLOAT, [2, 2]),
            value("h", FLOAT, ["B", 2]),
            value("x0", FLOAT, ["B", 2]),
        ],
        [
            value("go_on", BOOL, []),
            value(returned, FLOAT, [2, 2]),
            value("h_next", FLOAT, ["B", 2]),
            value("x0", FLOAT, ["B", 2]),
        ],
    )
    loop = helper.make_node(
        "Loop", ["trips", "always", "weight", "x", "x"], ["weight_after", "y", "x_after"], body=body
    )
    outputs = [value("y", FLOAT, ["B", 2])]
    if weight_is_an_output:
        outputs.append(value("weight_after", FLOAT, [2, 2]))
    graph = helper.make_graph(
        [loop],
        "outer",
        [value("x", FLOAT, ["B", 2])],
        outputs,
        [
            numpy_helper.from_array(np.array(3, "int64"), "trips"),
            numpy_helper.from_array(np.array(True), "always"),
            numpy_helper.from_array(WEIGHT, "weight"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})


def loop_of(model: onnx.ModelProto) -> onnx.NodeProto:
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    return loop


def test_what_no_iteration_changes_is_no_longer_carried() -> None:
    for through_identity in (False, True):
        for weight_is_an_output in (False, True):
            model = loop_model(through_identity, weight_is_an_output)
            x = np.array([[1.0, -2.0], [0.25, 3.0], [0.0, 1.0]], "float32")
            before = run(model, x)
            assert loop_constants_to_outer_scope(model.graph) == 2
            assert list(loop_of(model).input) == ["trips", "always", "x"]
            assert list(loop_of(model).output) == ["y"]
            after = run(model, x)
            assert model.graph.output[0].name == "y"
            for expected, found in zip(before, after, strict=True):
                np.testing.assert_array_equal(found, expected)
            expected = x
            for _ in range(3):
                expected = expected @ WEIGHT + x
            np.testing.assert_allclose(after[0], expected, rtol=1e-6)


def test_a_second_pass_finds_nothing() -> None:
    model = loop_model(through_identity=True, weight_is_an_output=True)
    loop_constants_to_outer_scope(model.graph)
    text = model.SerializeToString()
    assert loop_constants_to_outer_scope(model.graph) == 0
    assert model.SerializeToString() == text


def test_values_that_change_places_stay_carried() -> None:
    """A body that swaps two carried values passes neither through."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [value("i", INT64, []), value("go", BOOL, [])]
        + [value(name, FLOAT, ["B", 2]) for name in ("a", "b")],
        [value("go_on", BOOL, [])] + [value(name, FLOAT, ["B", 2]) for name in ("b", "a")],
    )
    loop = helper.make_node("Loop", ["trips", "always", "x", "x2"], ["y", "y2"], body=body)
    double = helper.make_node("Add", ["x", "x"], ["x2"])
    graph = helper.make_graph(
        [double, loop],
        "outer",
        [value("x", FLOAT, ["B", 2])],
        [value("y", FLOAT, ["B", 2]), value("y2", FLOAT, ["B", 2])],
        [
            numpy_helper.from_array(np.array(3, "int64"), "trips"),
            numpy_helper.from_array(np.array(True), "always"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    assert loop_constants_to_outer_scope(model.graph) == 0
    y, y2 = run(model, np.array([[1.0, 5.0]], "float32"))
    assert y.tolist() == [[2.0, 10.0]]
    assert y2.tolist() == [[1.0, 5.0]]


def loop_in_a_loop() -> onnx.ModelProto:
    inner = loop_model(through_identity=False, weight_is_an_output=False)
    inner_loop = loop_of(inner)
    inner_loop.input[2:] = ["w1", "h1", "h1"]
    body = helper.make_graph(
        [inner_loop, helper.make_node("Identity", ["go1"], ["go1_on"])],
        "outer_body",
        [
            value("i1", INT64, []),
            value("go1", BOOL, []),
            value("w1", FLOAT, [2, 2]),
            value("h1", FLOAT, ["B", 2]),
        ],
        [value("go1_on", BOOL, []), value("w1", FLOAT, [2, 2]), value("y", FLOAT, ["B", 2])],
    )
    loop = helper.make_node(
        "Loop", ["trips", "always", "weight", "x"], ["weight_unused", "z"], body=body
    )
    graph = helper.make_graph(
        [loop],
        "outer",
        [value("x", FLOAT, ["B", 2])],
        [value("z", FLOAT, ["B", 2])],
        inner.graph.initializer,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_loops_inside_loops() -> None:
    model = loop_in_a_loop()
    x = np.array([[1.0, -2.0], [0.25, 3.0]], "float32")
    before = run(model, x)
    assert loop_constants_to_outer_scope(model.graph) == 3
    np.testing.assert_array_equal(run(model, x)[0], before[0])
    assert op_types(model.graph) == ["Add", "Identity", "Loop", "MatMul"]


@pytest.mark.parametrize(
    ("moved", "depth"), [(matrices_around_inner_loops, 1), (matrices_into_loops, 2)]
)
def test_a_matrix_lies_once_where_the_runtime_looks_for_it(moved: Any, depth: int) -> None:
    model = loop_in_a_loop()
    x = np.array([[1.0, -2.0], [0.25, 3.0]], "float32")
    before = run(model, x)
    loop_constants_to_outer_scope(model.graph)
    moved(model.graph)
    to_canonical_form(model.graph)
    np.testing.assert_array_equal(run(model, x)[0], before[0])
    matrices = [
        sum(len(tensor.dims) == 2 for tensor in scope.graph.initializer)
        for scope in scopes(model.graph)
    ]
    assert matrices == [int(place == depth) for place in range(3)]


def test_dimensions_get_names() -> None:
    tensor = value("x", FLOAT, [None, 5, None])
    name_dimensions(tensor, {0: "batch", 2: "length"})
    dims = tensor.type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 5, "length"]
