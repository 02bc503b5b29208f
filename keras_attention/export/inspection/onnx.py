"""Inspect an ONNX file: operations of other libraries, and tensors in other files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import Refused, content_of, reading
from .wire import Damaged, fields, texts

OF_EXTENSIONS = frozenset(("SentencepieceTokenizer", "SentencepieceDecoder"))
"""The operations of onnxruntime-extensions that exports use."""
_EXTENSIONS, _STANDARD = "ai.onnx.contrib", ("", "ai.onnx")
_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        **dict.fromkeys((5, 10), "tensor"),
        **dict.fromkeys((6, 11), "graph"),
        **dict.fromkeys((22, 23), "sparse tensor"),
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "outside"},
    "outside": {},
}
"""What the fields of each message in a model are, by their numbers."""


def inspect_onnx(file: Path) -> None:
    """Raise `Refused` if an ONNX file needs other libraries or files than exports do.

    Operations must be those of ONNX itself, the tokenizers of onnxruntime-extensions, or functions
    of the file; tensors must be in the file, or in another one in its folder.
    """
    if file.suffix != ".onnx":  # ONNX Runtime knows another format
        raise Refused("is no .onnx file")
    with reading(Damaged):
        parts = list(_parts(content_of(file)))
    if not any(kind == "graph" for kind, _ in parts):
        raise Refused("is no ONNX model: it has no graph")
    own = {
        (domain, name)
        for kind, part in parts
        if kind == "function"
        for domain in _domains(part, 10)
        for name in texts(part, 1)
    }
    for kind, part in parts:
        if kind == "node":
            _check_node(part, own)
        elif kind == "outside" and "location" in texts(part, 1):
            for location in texts(part, 2):
                _check_location(file.parent, location)


def _parts(model: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Yield every message in a model with its kind: bodies of loops and functions included."""
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        yield kind, message
        known = _PARTS[kind]
        waiting += [(known[n], content) for n, content in fields(message) if n in known]


def _domains(message: memoryview, number: int) -> list[str]:
    return list(texts(message, number)) or [""]


def _check_node(node: memoryview, own: set[tuple[str, str]]) -> None:
    for domain in _domains(node, 7):
        for operation in texts(node, 4):
            is_known = domain in _STANDARD or (domain == _EXTENSIONS and operation in OF_EXTENSIONS)
            if not is_known and (domain, operation) not in own:
                raise Refused(
                    f"holds the operation {operation[:60]!a} of the domain "
                    f"{domain[:60]!a}, which is neither ONNX nor a tokenizer of an export"
                )


def _check_location(folder: Path, location: str) -> None:
    """Refuse a place of tensors that is not a file in the folder; of links it is unknown."""
    place = Path(location)
    is_inside = not place.is_absolute() and ".." not in place.parts and "\\" not in location
    try:
        found = folder / place
        is_inside = is_inside and found.resolve() == folder.resolve() / place and found.is_file()
    except (OSError, ValueError):  # a NUL, or a loop of links
        is_inside = False
    if not is_inside:
        raise Refused(
            f"reads tensors from {location[:60]!a}, which is no file in its folder, or a link"
        )
