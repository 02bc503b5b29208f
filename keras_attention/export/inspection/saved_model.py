"""Inspect a SavedModel: its operations, in the graph and in every function of its library.

TensorFlow runs what the graph, the signatures, the initializers and the objects of a SavedModel
name, so all of its functions are inspected, whether something seems to call them or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_attention.export.inspection import Refused, content_of, reading
from keras_attention.export.inspection.wire import Damaged, inside, texts

_NAMES = """
Abs AddV2 All Any Assert AssignVariableOp BatchMatMulV2 BiasAdd BroadcastTo Cast ConcatV2 Const
Conv2D Cumsum DisableCopyOnRead Einsum Equal Exp ExpandDims Fill FloorDiv GatherV2 Greater
GreaterEqual Identity If Less LessEqual LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max
Maximum Mean Minimum Mul Neg NoOp NotEqual Pack Pad PartitionedCall Placeholder
PlaceholderWithDefault Pow Prod RaggedGather RaggedTensorToTensor Range ReadVariableOp RealDiv
Reshape ReverseV2 Rsqrt Select SelectV2 SentencepieceDetokenizeOp SentencepieceOp
SentencepieceTokenizeOp Shape Sigmoid Softmax Split Square Squeeze StatefulPartitionedCall
StatelessWhile StaticRegexFullMatch StopGradient StridedSlice StringJoin Sub Sum Tanh
TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack TopKV2
Transpose VarHandleOp Where While ZerosLike
"""
OF_RUNS = frozenset(_NAMES.split())
"""The operations of exports of runs, with every mechanism and search."""
OUTSIDE = re.compile(
    r"File|Dataset|Iterator|Checkpoint|Save|Restore|Summar|Event|Reader|Record|Snapshot|^Load"
    r"|(?<!TensorArray)Write|Proto|GenerateVocab|^ImmutableConst$|^FixedUnigram|^Skipgram$"
    r"|Py(Func|Call)|Host|Custom|CallModule|M[Ll][Ii][Rr]|TRT|Library|Plugin|Debug|Dump|^_?Copy"
    r"|Abort|Process|Shell|Exec|Rpc|RPC|Remote|Socket|Http|HTTP|Url|URL|Server|Client|Service"
    r"|Distributed|Heartbeat|Collective|Nccl|T[Pp][Uu]|Send|Recv|Infeed|Outfeed"
)
"""What the names of operations have in common that reach out of the program: files, Python, other
machines and processes, the inside of compilers."""
_OF_SAVER = frozenset(("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"))
_MEMBERS = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}


class _Function(NamedTuple):
    """A function of the library, or the graph itself, which has no name."""

    name: str
    nodes: list[memoryview]


def inspect_saved_model(folder: Path, of_runs: bool = False) -> None:
    """Raise `Refused` if a SavedModel has an operation that it must not have.

    Args:
        folder: The SavedModel.
        of_runs: Whether it may have only the operations of exports of runs; otherwise all that do
            not reach out of the program.
    """
    with reading(Damaged):
        others = {member.name for member in folder.iterdir()} - _MEMBERS
        if others:  # TensorFlow reads further forms of the graph
            raise Refused(f"holds {min(others)[:60]!a}, which no export writes")
        _inspect(content_of(folder / "saved_model.pb"), of_runs)


def _inspect(content: memoryview, of_runs: bool) -> None:
    graphs = list(inside(content, 2))
    if len(graphs) != 1 or not any(inside(graphs[0], 7)):  # loaded as TensorFlow 1 loads them
        raise Refused("is no SavedModel with one graph and its objects, as TensorFlow 2 writes it")
    (graph,) = graphs
    savers = _savers(graph)
    for function in _functions(graph):
        for node in function.nodes:
            for operation in texts(node, 2):
                if operation in _OF_SAVER and function.name in savers:
                    continue
                where = f"in {_shown(function.name)}" if function.name else "in its graph"
                if of_runs and operation not in OF_RUNS:
                    raise Refused(
                        f"holds the operation {_shown(operation)} ({where}), which no export of a "
                        "run has"
                    )
                if OUTSIDE.search(operation) or _prints_to_a_file(operation, node):
                    raise Refused(
                        f"holds the operation {_shown(operation)} ({where}), which can reach out "
                        "of the program"
                    )


def _functions(graph: memoryview) -> Iterator[_Function]:
    yield _Function("", list(inside(graph, 2, 1)))
    for function in inside(graph, 2, 2, 1):
        yield _Function(" ".join(texts(function, 1, 1)), list(inside(function, 3)))


def _savers(graph: memoryview) -> set[str]:
    """The functions that save and restore variables, if nothing else can call them.

    They are called by the two nodes that the saver's definition names. A function counts as called
    by whatever else has its name anywhere.
    """
    named = {name.partition(":")[0] for number in (2, 3) for name in texts(graph, 3, number)}
    found: set[str] = set()
    others = [*inside(graph, 2, 2, 2), *inside(graph, 2, 2, 3), *inside(graph, 7)]
    for node in inside(graph, 2, 1):
        names = set(texts(node, 1))
        if names and names <= named:
            found.update(texts(node, 5, 2, 10, 1))
        else:
            others.append(node)
    for function in inside(graph, 2, 2, 1):
        others += [*inside(function, 3), *inside(function, 5)]
    elsewhere = b"\0".join(others)
    return {name for name in found if name.encode() not in elsewhere}


def _prints_to_a_file(operation: str, node: memoryview) -> bool:
    streams = texts(node, 5, 2, 2) if operation.startswith("Print") else ()
    return any("://" in stream for stream in streams)


def _shown(name: str) -> str:
    return name[:60] if name[:60].isidentifier() else ascii(name[:60])
