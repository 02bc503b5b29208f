"""Existing SentencePiece models keep their pieces when they get the ids of this package."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tensorflow as tf

from keras_attention import SentencePieceTokenizer
from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.conversion import model_proto, with_our_ids
from tests.existing_models import (
    EXISTING,
    SUBWORDS,
    TEXTS,
    existing_model,
    processor_of,
    real_lines,
)
from tests.hard_text import LEARNED
from tests.variants import variants


def check(model: bytes, texts: list[str]) -> None:
    """The same pieces and the same text, here and in a graph."""
    original, tokenizer = processor_of(model), SentencePieceTokenizer.from_sentencepiece(model)
    expected = original.encode(texts, out_type=str)
    assert tokenizer.surfaces(texts) == expected
    ids = tokenizer.encode(texts)
    known = [[i for i in row if i != UNKNOWN_ID] for row in ids]
    names = [[i for i in row if i != original.unk_id()] for row in original.encode(texts)]
    pieces = processor_of(tokenizer.model)
    assert [pieces.id_to_piece(row) for row in known] == [original.id_to_piece(r) for r in names]
    decoded = [original.decode(row) for row in original.encode(texts)]
    assert tokenizer.decode(ids) == decoded
    graph = tokenizer.graph()
    assert graph.tokenize(tf.constant(texts)).to_list() == ids
    in_graph = graph.detokenize(tf.ragged.constant(ids, tf.int32)).numpy()
    assert [text.decode() for text in in_graph] == decoded


@pytest.mark.parametrize("name", EXISTING)
def test_pieces_and_texts_stay_as_they_are(name: str) -> None:
    check(existing_model(name), TEXTS)


@variants("name", SUBWORDS)
def test_real_lines(name: str, corpora: Path) -> None:
    lines = real_lines(corpora)
    check(existing_model(name, lines[:2000], 1000), lines)


@pytest.mark.parametrize("name", EXISTING)
def test_pieces_keep_their_order_kinds_and_scores(name: str) -> None:
    def rows(model: bytes) -> list[tuple[str, int, float]]:
        proto = model_proto(model)
        assert proto.trainer_spec.vocab_size == len(proto.pieces)
        return [(piece.piece, piece.type, piece.score) for piece in proto.pieces]

    before, after = (rows(model) for model in (existing_model(name), converted(name)))
    assert [kind for _, kind, _ in after[:4]] == [3, 3, 3, 2]  # control, and unknown
    first = {piece for piece, _, _ in after[:4]}
    assert len(first) == 4
    kept = [row for row in before if row[0] not in first or row[1] == 4]
    assert after[4:] == kept
    assert with_our_ids(converted(name)) == converted(name)
    assert converted(name) == converted(name)


def converted(name: str) -> bytes:
    return with_our_ids(existing_model(name))


def test_a_model_of_this_package_stays_what_it_is() -> None:
    texts = [*LEARNED, "日"]
    tokenizer = SentencePieceTokenizer.train(LEARNED, 340, "bpe")
    same = SentencePieceTokenizer.from_sentencepiece(tokenizer.model)
    assert same.encode(texts) == tokenizer.encode(texts)
    assert same.vocabulary_size == tokenizer.vocabulary_size


def test_names_of_new_symbols_differ_from_those_of_pieces() -> None:
    """`<pad>` is a symbol of the text in this model; ours cannot be spelled."""
    tokenizer = SentencePieceTokenizer.from_sentencepiece(existing_model("bpe"))
    assert tokenizer.pieces([0, 1, 2, 3, 4]) == ["<<pad>>", "<s>", "⏎", "�", "<pad>"]
    (ids,) = tokenizer.encode(["<pad> <<pad>> <s>"])
    assert ids[:2] != [0, 0]
    assert not {0, 1, 2} & set(ids)
    assert 4 in ids


def test_one_symbol_for_start_and_end_becomes_two() -> None:
    proto = model_proto(existing_model("unigram"))
    proto.trainer_spec.bos_piece = proto.trainer_spec.eos_piece = "</s>"
    tokenizer = SentencePieceTokenizer.from_sentencepiece(proto.SerializeToString())
    assert tokenizer.pieces(range(6))[:5] == ["<pad>", "</s>", "⏎", "�", "<s>"]
    assert tokenizer.vocabulary_size == len(proto.pieces) + 2


@pytest.mark.parametrize("texts", [["  a  cat ", "a", "", "  "]])
@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("llama", ["  a  cat ", "a", "", "  "]),
        ("unigram-bytes", ["  a  cat ", "a", "", "  "]),
        ("bpe", ["a cat", "a", "", ""]),
    ],
)
def test_normalized_text_is_what_decoding_restores(
    name: str, texts: list[str], normalized: list[str]
) -> None:
    tokenizer = SentencePieceTokenizer.from_sentencepiece(existing_model(name))
    assert tokenizer.normalize(texts) == normalized
    assert tokenizer.decode(tokenizer.encode(texts)) == normalized
    assert [tokenizer.decode_with(ids, []) for ids in tokenizer.encode(texts)] == normalized


def test_unknown_words_are_put_back_as_written() -> None:
    tokenizer = SentencePieceTokenizer.from_sentencepiece(existing_model("word"))
    for text, pieces in (("  zoo cat", ["▁▁▁zoo", "▁cat"]), ("the  zoo", ["▁the", "▁▁zoo"])):
        (ids,), (surfaces,) = tokenizer.encode([text]), tokenizer.surfaces([text])
        unknown = [s for s, i in zip(surfaces, ids, strict=True) if i == UNKNOWN_ID]
        assert surfaces == pieces
        assert len(unknown) == 1
        assert tokenizer.decode_with(ids, unknown) == tokenizer.normalize([text])[0] == text


def suffixed() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LEARNED),
        model_writer=model,
        vocab_size=60,
        treat_whitespace_as_suffix=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return model.getvalue()


def changed(change: Any) -> bytes:
    proto = model_proto(existing_model("unigram"))
    change(proto)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: b"", "`model` must be .* Received: 0 bytes with 0 pieces, 0 of them unknown"),
        (lambda: b'{"model": {"type": "BPE"}}', "must be a serialized .* Received: 26 bytes"),
        (lambda: changed(lambda x: x.pieces[0].Clear()), "0 of them unknown"),
        (lambda: changed(lambda x: setattr(x.pieces[9], "type", 5)), "must not use unused pieces"),
        (suffixed, r"spaces at the ends of words \(treat_whitespace_as_suffix\)"),
        (
            lambda: changed(lambda x: setattr(x.normalizer_spec, "escape_whitespaces", False)),
            "spaces that are not escaped",
        ),
        (
            lambda: changed(
                lambda x: setattr(x.denormalizer_spec, "precompiled_charsmap", b"\4\0\0\0")
            ),
            "a denormalization rule",
        ),
    ],
    ids=["empty", "json", "no unknown", "unused", "suffix", "escape", "denormalization"],
)
def test_what_cannot_be_converted_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SentencePieceTokenizer.from_sentencepiece(model())
