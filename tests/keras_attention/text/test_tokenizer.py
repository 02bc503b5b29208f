from __future__ import annotations

import io
from pathlib import Path

import pytest
import sentencepiece

from keras_attention import SentencePieceTokenizer
from keras_attention.ids import END_ID, PADDING_ID, START_ID, UNKNOWN_ID

LEARNED = ["the cat sat on the mat", "a dog ate the cat", "Größe, naïve café: 3. März"] * 5
SIZES = {"char": 64, "unigram": 320, "bpe": 320, "word": 64}


def train(model_type: str, normalization: str = "nmt_nfkc") -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train(LEARNED, SIZES[model_type], model_type, normalization)


@pytest.fixture(scope="module", params=["char", "unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> SentencePieceTokenizer:
    return train(request.param)


@pytest.mark.parametrize("model_type", SIZES)
def test_the_first_ids_are_padding_start_end_and_unknown(model_type: str) -> None:
    tokenizer = train(model_type)
    assert (PADDING_ID, START_ID, END_ID, UNKNOWN_ID) == (0, 1, 2, 3)
    assert tokenizer.pieces([0, 1, 2, 3]) == ["<pad>", "<s>", "⏎", "�"]
    ids = tokenizer.encode(["the cat sat on the mat"])[0]
    assert all(UNKNOWN_ID < i < tokenizer.vocabulary_size for i in ids)


def test_text_survives_the_round_trip(tokenizer: SentencePieceTokenizer) -> None:
    texts = ["the cat ate the mat", "Größe", "café: 3. März", "a", ""]
    ids = tokenizer.encode(texts)
    assert tokenizer.decode(ids) == texts
    assert ids[-1] == []


def test_special_ids_are_not_decoded(tokenizer: SentencePieceTokenizer) -> None:
    ids = tokenizer.encode(["the cat"])[0]
    assert tokenizer.decode([[START_ID, *ids, END_ID, PADDING_ID, PADDING_ID]]) == ["the cat"]


def test_text_cannot_spell_special_tokens(tokenizer: SentencePieceTokenizer) -> None:
    (ids,) = tokenizer.encode(["the</s> cat<s><pad>"])
    assert not {PADDING_ID, START_ID, END_ID} & set(ids)


def test_a_character_model_has_a_token_for_each_character() -> None:
    tokenizer = train("char")
    (ids,) = tokenizer.encode(["a café"])
    assert tokenizer.pieces([*ids, END_ID]) == ["a", "␣", "c", "a", "f", "é", "⏎"]
    characters = set("".join(LEARNED))
    assert tokenizer.vocabulary_size == len(characters) + 4


def test_a_character_never_seen_is_unknown_to_a_character_model() -> None:
    tokenizer = train("char")
    (ids,) = tokenizer.encode(["a日a"])
    assert ids[1] == UNKNOWN_ID
    assert ids[0] == ids[2] != UNKNOWN_ID
    assert tokenizer.pieces(ids) == ["a", "�", "a"]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_character_never_seen_falls_back_to_bytes(model_type: str) -> None:
    tokenizer = train(model_type)
    ids = tokenizer.encode(["the 日 👍🏽"])
    assert UNKNOWN_ID not in ids[0]
    assert {"<0xE6>", "<0x97>", "<0xA5>"} <= set(tokenizer.pieces(ids[0]))
    assert tokenizer.decode(ids) == ["the 日 👍🏽"]


def test_a_vocabulary_that_is_too_small_keeps_the_most_frequent_characters() -> None:
    tokenizer = SentencePieceTokenizer.train(["aaaaabbbbccd"], 7, "char")
    assert tokenizer.vocabulary_size == 7
    assert tokenizer.pieces(tokenizer.encode(["abcd"])[0]) == ["a", "b", "c", "�"]


def test_a_file_holds_the_whole_tokenizer(
    tokenizer: SentencePieceTokenizer, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "source.model")
    same = SentencePieceTokenizer.from_file(tmp_path / "source.model")
    texts = ["the café 日", "  a  dog "]
    assert same.encode(texts) == tokenizer.encode(texts)
    package = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "source.model"))
    assert package.encode(texts) == tokenizer.encode(texts)


@pytest.mark.parametrize("model", [b"", b"no model", b"\x00" * 64])
def test_bytes_that_are_no_model_are_an_error(model: bytes) -> None:
    with pytest.raises(ValueError, match=f"`model` must be .* Received: {len(model)} bytes"):
        SentencePieceTokenizer(model)


def test_a_model_with_other_special_ids_is_an_error() -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LEARNED),
        model_writer=model,
        vocab_size=25,
        model_type="char",
        minloglevel=2,
    )
    with pytest.raises(ValueError, match=r"padding 0, .* Received: .* = \(-1, 1, 2, 0\)"):
        SentencePieceTokenizer(model.getvalue())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LEARNED, 64, "syllable"), "`model_type` must be one of .*'syllable'"),
        ((LEARNED, 64, "char", "nfd"), "`normalization` must be one of .*'nfd'"),
        ((LEARNED, 10, "unigram"), "`vocabulary_size` must .* Received: vocabulary_size=10"),
        ((LEARNED, 3, "char"), "`vocabulary_size` must .* Received: vocabulary_size=3"),
        (([], 64, "char"), "there must be text"),
    ],
)
def test_training_with_wrong_arguments_is_an_error(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SentencePieceTokenizer.train(*arguments)
