"""Add tokenizers to an ONNX search, with the ops of onnxruntime-extensions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, checker, compose, helper, parser

from keras_attention.export.formats import OPSET
from keras_attention.export.onnx.passes import rename_outputs
from keras_attention.ids import END_ID, PADDING_ID

# In ONNX's text format. The tokens of all texts are one flat list; a row is read from its start,
# and positions beyond its end read the last entry, the appended padding. ONNX has no assertions: if
# a text is too long, the graph fails by reading index 1 of a list with one value.
_BEFORE = f"""
<ir_version: %(ir)d, opset_import: ["" : %(opset)d, "ai.onnx.contrib" : 1]>
before (string[batch] text) => (int32[batch, length] source, bool[batch] is_empty)
<
    int64[1] sampled = {{0}}, float[1] alpha = {{0}}, bool[1] no = {{0}}, bool[1] yes = {{1}},
    int64[1] first = {{0}}, int64[1] second = {{1}}, int64[1] last = {{-1}},
    int64[1] end = {{{2**62}}}, int64 zero = {{0}}, int64 one = {{1}}, int64 limit = {{%(limit)d}},
    int32[1] padding = {{{PADDING_ID}}}
>
{{
    tokens, splits, places = ai.onnx.contrib.SentencepieceTokenizer
        (text, sampled, alpha, no, yes, no, no)
    starts = Slice (splits, first, last)
    ends = Slice (splits, second, end)
    lengths = Sub (ends, starts)
    is_empty = Equal (lengths, one)

    at_least_one = Concat <axis = 0> (lengths, second)
    longest = ReduceMax <keepdims = 0> (at_least_one)
    is_too_long = Greater (longest, limit)
    place = Cast <to = 7> (is_too_long)
    no_error = Gather (first, place)
    width = Add (longest, no_error)

    positions = Range (zero, width, one)
    start_column = Unsqueeze (starts, second)
    length_column = Unsqueeze (lengths, second)
    is_real = Less (positions, length_column)
    flat_positions = Add (start_column, positions)
    taken = Where (is_real, flat_positions, last)
    with_padding = Concat <axis = 0> (tokens, padding)
    source = Gather (with_padding, taken)
}}
"""
_AFTER = f"""
<ir_version: %(ir)d, opset_import: ["" : %(opset)d, "ai.onnx.contrib" : 1]>
after (int32[batch, hypotheses, time] found_ids, float[batch, hypotheses] found_scores,
       float[batch, hypotheses, time, length] found_attention, bool[batch] is_empty)
    => (string[batch, hypotheses] translation, float[batch, hypotheses] scores,
        float[batch, hypotheses, time, length] attention)
<
    bool always = {{1}}, bool[1] fairseq = {{0}}, int32 last_special = {{{END_ID}}},
    string[1] no_text = {{""}}, float no_weight = {{0}},
    int64[1] row_axis = {{1}}, int64[3] weight_axes = {{1, 2, 3}}
>
{{
    shape = Shape <end = 2> (found_ids)
    time = Shape <start = 2> (found_ids)
    count = ReduceProd (shape)
    flat_shape = Concat <axis = 0> (count, time)
    flat = Reshape <allowzero = 1> (found_ids, flat_shape)
    texts = Loop (count, always)
    <body = decode (int64 i, bool go_on) => (bool goes_on, string[1] decoded) {{
        goes_on = Identity (go_on)
        row = Gather (flat, i)
        is_text = Greater (row, last_special)
        kept = Compress (row, is_text)
        long_ids = Cast <to = 7> (kept)
        decoded = ai.onnx.contrib.SentencepieceDecoder (long_ids, fairseq)
    }}>
    in_rows = Reshape <allowzero = 1> (texts, shape)
    empty_row = Unsqueeze (is_empty, row_axis)
    translation = Where (empty_row, no_text, in_rows)
    scores = Where (empty_row, no_weight, found_scores)
    empty_weights = Unsqueeze (is_empty, weight_axes)
    attention = Where (empty_weights, no_weight, found_attention)
}}
"""


@dataclass(frozen=True)
class Text:
    """The tokenizers, and the search that translates texts.

    Attributes:
        source: The source tokenizer, the content of a SentencePiece `.model` file.
        target: The target tokenizer.
        max_source_length: The maximum number of tokens of a text, including the end token.
        search: The search for texts, `"greedy"` or `"beam"`.
    """

    source: bytes
    target: bytes
    max_source_length: int
    search: str = "greedy"


def with_text(searched: ModelProto, text: Text) -> ModelProto:
    """Add tokenizers to a search: from `text` (B,) to `translation` (B, K), `scores`, `attention`.

    An empty text has an empty translation. If a text is too long, the runtime raises an error in
    the node `text_is_longer_than_N_tokens`.

    Args:
        searched: A search on ids, as returned by `export.onnx.convert.convert`.
        text: The tokenizers; N is `max_source_length`.

    Returns:
        A new model. It requires the library of onnxruntime-extensions.
    """
    versions = {entry.domain: entry.version for entry in searched.opset_import}
    numbers = {"ir": searched.ir_version, "opset": versions[""], "limit": text.max_source_length}
    before, after = (parser.parse_model(graph % numbers) for graph in (_BEFORE, _AFTER))
    _give(before.graph.node, "SentencepieceTokenizer", text.source)
    (decode,) = (node for node in after.graph.node if node.op_type == "Loop")
    _give(decode.attribute[0].g.node, "SentencepieceDecoder", text.target)
    (check,) = (node for node in before.graph.node if node.output[0] == "no_error")
    check.name = f"text_is_longer_than_{text.max_source_length}_tokens"
    found = [value.name for value in searched.graph.output]
    if "attention" not in found:
        del after.graph.node[-2:], after.graph.input[2], after.graph.output[2]

    given = ModelProto()
    given.CopyFrom(searched)
    rename_outputs(given.graph, {name: f"found_{name}" for name in found})
    read = compose.merge_models(before, given, io_map=[("source", "source")])
    links = [(value.name, value.name) for value in after.graph.input]
    whole = compose.merge_models(read, after, io_map=links)
    whole.graph.name = "translate"
    del whole.graph.output[:]
    whole.graph.output.extend(after.graph.output)
    checker.check_model(whole)
    return whole


def lengths_of(tokenizer: bytes) -> ModelProto:
    """Return a model that counts tokens: from `text` (B,) to `lengths` (B,) int64.

    The end token is included. The nodes are those of `with_text`, so that a server can reject a
    text before it joins a batch.

    Args:
        tokenizer: The source tokenizer, the content of a SentencePiece `.model` file.

    Returns:
        A model. It requires the library of onnxruntime-extensions.
    """
    opset = helper.make_opsetid("", OPSET)
    numbers = {"ir": helper.find_min_ir_version_for([opset]), "opset": OPSET, "limit": 0}
    model = parser.parse_model(_BEFORE % numbers)
    graph = model.graph
    _give(graph.node, "SentencepieceTokenizer", tokenizer)
    (last,) = (i for i, node in enumerate(graph.node) if node.output[0] == "lengths")
    del graph.node[last + 1 :], graph.output[:]
    graph.output.append(helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]))
    graph.name = "lengths"
    checker.check_model(model)
    return model


def _give(nodes: Iterable[NodeProto], op_type: str, tokenizer: bytes) -> None:
    """Set the SentencePiece model of the only node with this operator."""
    (node,) = (node for node in nodes if node.op_type == op_type)
    node.attribute.append(helper.make_attribute("model", tokenizer))
