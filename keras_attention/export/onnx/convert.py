"""Export a whole search, or scoring, to one ONNX graph, for any batch size and length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from keras_attention.decoding import GreedySearch
from keras_attention.decoding.loop import rows_may_leave
from keras_attention.export.formats import OPSET
from keras_attention.export.naming import named
from keras_attention.export.onnx.canonical import to_canonical_form
from keras_attention.export.onnx.matrices import matrices_around_inner_loops
from keras_attention.export.onnx.passes import loop_constants_to_outer_scope, name_dimensions
from keras_attention.export.onnx.rewrites import rewrite
from keras_attention.export.tracing import without_cudnn

if TYPE_CHECKING:
    from onnx import ModelProto

    from keras_attention.model.generation import Search
    from keras_attention.model.seq2seq import Seq2Seq

_OPEN_DIMENSIONS = {
    "source": {0: "batch", 1: "length"},
    "target": {0: "batch", 1: "tokens"},
    "ids": {0: "batch"},
    "lengths": {0: "batch"},
    "scores": {0: "batch"},
    "attention": {0: "batch", 3: "length"},
    "log_probabilities": {0: "batch", 1: "tokens"},
}


def convert(model: Seq2Seq, search: Search, max_length: int) -> ModelProto:
    """Convert a search with a model to one checked ONNX model.

    It also accepts an empty batch, with which an LSTM would crash ONNX Runtime 1.31.

    Args:
        model: The trained model, with the float32 policy.
        search: `GreedySearch()` or `BeamSearch(...)`.
        max_length: The maximum number of target tokens T, including the end token.

    Returns:
        The ONNX model; its inputs and outputs are those of `ServingModule`'s searches.
    """
    import tensorflow as tf

    def searched(source: Any) -> dict[str, Any]:
        rows, length = tf.unstack(tf.shape(source))
        found = model.search(_not_empty(source), search, max_length)
        outputs = {name: x[:rows] for name, x in named(found)}
        if "attention" in outputs:
            outputs["attention"] = outputs["attention"][..., :length]
        return outputs

    name = "greedy" if isinstance(search, GreedySearch) else "beam"
    return _converted(model, searched, ["source"], name)


def convert_score(model: Seq2Seq) -> ModelProto:
    """Convert the scoring of given targets to one checked ONNX model.

    It decodes step by step, as a search does: the probabilities of all V tokens take up memory for
    one step at a time, never for T of them.

    Args:
        model: The trained model, with the float32 policy.

    Returns:
        The ONNX model: `source` (B, S) int32 and `target` (B, T) int32, of any size, to
        `log_probabilities` (B, T), those of `model.score`.
    """
    import tensorflow as tf

    def scored(source: Any, target: Any) -> dict[str, Any]:
        rows, length = tf.unstack(tf.shape(target))
        found = model.target_scores(_not_empty(source), _not_empty(target), wants_attention=False)
        return {"log_probabilities": found.log_probs[:rows, :length]}

    return _converted(model, scored, ["source", "target"], "score")


def _not_empty(ids: Any) -> Any:
    """Pad ids to at least one row and one column."""
    import tensorflow as tf

    return tf.pad(ids, [[0, tf.maximum(1 - size, 0)] for size in tf.unstack(tf.shape(ids))])


def _converted(
    model: Seq2Seq, function: Callable[..., dict[str, Any]], inputs: Sequence[str], name: str
) -> ModelProto:
    """Convert a function of batches of ids that reads a model, and check the result."""
    import onnx
    import tensorflow as tf

    @tf.function(autograph=False)
    def called(*ids: Any) -> dict[str, Any]:
        return {key: tf.identity(x, key) for key, x in function(*ids).items()}

    specs = [tf.TensorSpec((None, None), tf.int32, name=key) for key in inputs]
    with without_cudnn(model):
        converted = convert_function(called, specs, name)
    for value in (*converted.graph.input, *converted.graph.output):
        name_dimensions(value, _OPEN_DIMENSIONS[value.name])
    onnx.checker.check_model(converted)
    return converted


def convert_function(function: Any, specs: Sequence[Any], name: str) -> ModelProto:
    """Convert a `tf.function` to an ONNX model whose loops carry no constants and have few nodes.

    Args:
        function: A function of the tensors in `specs` that returns a dictionary of tensors with the
            same names.
        specs: The specs of its inputs.
        name: The name of the graph.
    """
    import tf2onnx

    with _optimizers_alone(), _callers_first(), rows_may_leave():
        converted, _ = tf2onnx.convert.from_function(function, list(specs), opset=OPSET)
    graph = converted.graph
    graph.name = name
    loop_constants_to_outer_scope(graph)
    rewrite(graph)
    to_canonical_form(graph)  # gives loops the names that copies of their matrices get
    matrices_around_inner_loops(graph)
    to_canonical_form(graph)  # without the matrices that only inner loops read
    return converted


@contextmanager
def _optimizers_alone() -> Iterator[None]:
    """Make tf2onnx run its optimizers, and fail if one of them does, without what it does around.

    Before each of them tf2onnx 1.17 copies the graph, to go on with the copy after a failure; after
    each it writes the graph as protocol buffers, which nobody reads before the end, and walks from
    each output anew to the nodes that it needs. Together that is most of the time of a conversion.
    """
    from tf2onnx import optimizer
    from tf2onnx.graph import Graph
    from tf2onnx.optimizer.optimizer_base import GraphOptimizerBase

    optimize_graph = optimizer.optimize_graph

    def without_copies(graph: Any, catch_errors: bool = True, **options: Any) -> Any:
        return optimize_graph(graph, catch_errors=False, **options)

    def optimize(self: Any, graph: Any, iteration: int) -> Any:
        self.opt_iteration = iteration
        graph = self._optimize(graph)
        graph.delete_unused_nodes(graph.outputs)
        return graph

    with (
        _replaced(optimizer, "optimize_graph", without_copies),
        _replaced(GraphOptimizerBase, "optimize", optimize),
        _replaced(Graph, "extract_sub_graph_nodes", _needed_nodes),
    ):
        yield


def _needed_nodes(
    graph: Any, outputs: Sequence[str], input_checker: Any = None, remove_unused_inputs: bool = True
) -> list[Any]:
    """The nodes of a tf2onnx graph that outputs need, in the graph's order, found in one walk."""
    names = list(outputs)
    if not remove_unused_inputs:
        names += [node.output[0] for node in graph.inputs]
    found = set()
    while names:
        node = graph.get_node_by_output(names.pop(), search_in_parent_graphs=False)
        is_out = not node or (input_checker and input_checker(node) is False)
        if not is_out and node not in found:
            found.add(node)
            names += [*node.input, *node.get_implicit_inputs()]
    return [node for node in dict.fromkeys(graph.get_nodes()) if node in found]  # some twice


@contextmanager
def _callers_first() -> Iterator[None]:
    """Make tf2onnx read a loop before the loops in it, whose inputs get their shapes from there.

    tf2onnx 1.17 reads functions in any order, and loses the axis along which a loop in a loop joins
    tensors if it has not read the outer one.
    """
    from tf2onnx import tfonnx

    resolve = tfonnx.resolve_functions

    def resolve_callers_first(graph: Any) -> Any:
        functions = graph._functions
        calls = {name: _called(function.definition) for name, function in functions.items()}
        for name in TopologicalSorter(calls).static_order():
            functions.move_to_end(name, last=False)
        return resolve(graph)

    with _replaced(tfonnx, "resolve_functions", resolve_callers_first):
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _called(definition: Any) -> set[str]:
    """The names of the functions that a `FunctionDef` calls."""
    attributes = (attr for node in definition.node_def for attr in node.attr.values())
    return {attr.func.name for attr in attributes if attr.func.name}
