"""The content of a SentencePiece model, and any model with the ids of this package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras_attention.ids import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
"""The names of SentencePiece's `TrainerSpec.ModelType`."""
_UNKNOWN, _CONTROL, _UNUSED = 2, 3, 5  # of ModelProto.SentencePiece.Type


def model_proto(model: bytes) -> Any:
    """Return the `ModelProto` of a serialized SentencePiece model.

    Raises:
        ValueError: If the bytes are not one.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from sentencepiece import sentencepiece_model_pb2

    try:
        return sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]
    except DecodeError as error:
        raise ValueError(
            "Argument `model` must be a serialized SentencePiece model. "
            f"Received: {len(model)} bytes that cannot be read ({error})"
        ) from error


def with_our_ids(model: bytes) -> bytes:
    """Reorder the pieces of a SentencePiece model: padding, start, end, unknown, then the others.

    The others keep their order, names, kinds and scores, so each text has the same pieces as
    before. A model without padding, start or end gets a new control symbol.

    Args:
        model: The serialized model.

    Returns:
        A serialized model whose first four ids are those of `keras_attention.ids`.

    Raises:
        ValueError: If it is no SentencePiece model, or uses a feature that not every runtime of an
            export has.
    """
    proto = model_proto(model)
    unknown = [piece for piece in proto.pieces if piece.type == _UNKNOWN]
    if len(unknown) != 1:
        raise ValueError(
            "Argument `model` must be a serialized SentencePiece model with one unknown piece. "
            f"Received: {len(model)} bytes with {len(proto.pieces)} pieces, {len(unknown)} of them "
            "unknown"
        )
    for what in _unsupported(proto):
        raise ValueError(
            f"Argument `model` must not use {what}, because the tokenizers of other runtimes "
            "cannot. Received: a model that does"
        )
    first = [*_with_control_symbols(proto), unknown[0]]
    moved = {piece.piece for piece in first}
    others = [piece for piece in proto.pieces if piece.piece not in moved]
    ordered = type(proto)(pieces=[*first, *others])  # copies
    del proto.pieces[:]
    proto.MergeFrom(ordered)
    spec = proto.trainer_spec
    spec.unk_piece, spec.vocab_size = proto.pieces[UNKNOWN_ID].piece, len(proto.pieces)
    spec.pad_id, spec.bos_id, spec.eos_id = PADDING_ID, START_ID, END_ID
    spec.unk_id = UNKNOWN_ID
    converted: bytes = proto.SerializeToString(deterministic=True)
    return converted


def _with_control_symbols(proto: Any) -> Iterator[Any]:
    """Yield the pieces of padding, start and end, and name them; make those that are missing."""
    spec = proto.trainer_spec
    names = {piece.piece for piece in proto.pieces}
    control = {piece.piece: piece for piece in proto.pieces if piece.type == _CONTROL}
    for name in ("pad_piece", "bos_piece", "eos_piece"):
        asked = getattr(spec, name)
        piece = control.pop(asked, None)
        if piece is None:
            piece = proto.SentencePiece(piece=_free(asked, names), type=_CONTROL)
            names.add(piece.piece)
        setattr(spec, name, piece.piece)
        yield piece


def _unsupported(proto: Any) -> Iterator[str]:
    """Yield the features of a model that a runtime of an export lacks."""
    if any(piece.type == _UNUSED for piece in proto.pieces):
        yield "unused pieces"
    if proto.trainer_spec.treat_whitespace_as_suffix:
        yield "spaces at the ends of words (treat_whitespace_as_suffix)"
    if not proto.normalizer_spec.escape_whitespaces:
        yield "spaces that are not escaped (escape_whitespaces=false)"
    if proto.denormalizer_spec.precompiled_charsmap:
        yield "a denormalization rule"


def _free(name: str, taken: set[str]) -> str:
    """Return the name of a new control symbol, in further brackets if there is such a piece."""
    while name in taken:
        name = f"<{name}>"
    return name
