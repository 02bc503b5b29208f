from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from keras_attention import SentencePieceTokenizer
from programs.word_alignments import (
    align_translation,
    align_words,
    pharaoh,
    read_tokens,
    text_tokens,
)

KNOWN = ["the cat sat on the mat", "a dog barks at the moon", "the small house"]
HARD = [
    "the 日本 語x cat",
    "ca日本t 語 the",
    "a\u00a0b\u3000c  d ␣ e",
    "👩‍🚀 مرحبا بك cat",
    "e\u0301te\u0301 dog",
    "x" * 40,
    "  the  ",
    "",
]
SIZES = {"word": 20, "char": 64, "unigram": 300, "bpe": 300}


def one_hot(columns: Sequence[int], size: int) -> np.ndarray:
    return np.eye(size)[list(columns)]


def test_pieces_are_joined_to_words_and_their_weights_added() -> None:
    source = [" the", " ca", "t", " s", "at"]
    target = [" el", " ga", "to"]
    weights = np.array(
        [
            # the  ca   t    s    at   end
            [0.10, 0.00, 0.00, 0.00, 0.00, 0.90],
            [0.40, 0.25, 0.25, 0.10, 0.00, 0.00],  # "cat" has more than "the"
            [0.30, 0.05, 0.05, 0.30, 0.30, 0.00],  # 0.7, 0.6 and 0.7 with the row before
            [0.00, 0.00, 0.00, 0.00, 1.00, 0.00],
        ]
    )
    assert align_words(weights, target, source) == [(0, 0), (0, 1)]
    weights[2, 3] += 0.1
    assert align_words(weights, target, source) == [(0, 0), (2, 1)]


def test_pairs_are_in_the_order_of_the_source_as_pharaoh_writes_them() -> None:
    alignment = align_words(one_hot([2, 0, 1], 4), [" a", " b", " c"], [" x", " y", " z"])
    assert alignment == [(0, 1), (1, 2), (2, 0)]
    assert pharaoh(alignment) == "0-1 1-2 2-0"
    assert pharaoh([]) == ""


def test_white_space_of_its_own_belongs_to_no_word() -> None:
    source, target = list("ab cd"), list("x yz")
    looks = one_hot([3, 2, 0, 2, 5], 6)  # x at c, the space at a space, y at a, z at a space
    assert align_words(looks, target, source) == [(0, 1), (1, 0)]


def test_bytes_of_one_character_are_one_word() -> None:
    source = [" a", " ", "<0xE6>", "<0x97>", "<0xA5>", " b"]
    target = [" ", "<0xC3>", "<0xA9>", " c"]
    assert align_words(one_hot([0, 2, 4, 5, 0], 7), target, source) == [(1, 0), (2, 1)]


def test_bytes_of_white_space_separate_words() -> None:
    source = [" a", "<0xE3>", "<0x80>", "<0x80>", "b", "<0x0A>", "c"]  # an ideographic space
    assert align_words(one_hot([4, 6, 0], 8), [" x", " y", " z"], source) == [
        (0, 2),
        (1, 0),
        (2, 1),
    ]


def test_bytes_that_are_no_text_are_a_word_as_they_are_when_decoded() -> None:
    source = ["<0xE6>", "<0x97>", " a", "<0xFF>", " b"]
    assert align_words(one_hot([1, 3, 4], 6), [" x", " y", " z"], source) == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_a_word_that_looks_nowhere_has_no_partner() -> None:
    weights = one_hot([1, 0], 3)
    weights[0] = 0.0
    assert align_words(weights, [" x", " y"], [" a", " b"]) == [(0, 1)]
    assert align_words(np.zeros((1, 1)), [], []) == []
    assert align_words(np.ones((2, 1)), [" x"], []) == []


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("normalization", ["nmt_nfkc", "identity"])
def test_words_are_those_of_the_text(kind: str, normalization: str) -> None:
    tokenizer = SentencePieceTokenizer.train(KNOWN, SIZES[kind], kind, normalization)
    ids = tokenizer.encode(HARD)
    for text, row, tokens in zip(HARD, ids, text_tokens(tokenizer.model, HARD), strict=True):
        assert len(tokens) == len(row)
        # where every token looks at itself, every word is aligned with itself
        itself = align_words(np.eye(len(tokens)), tokens, tokens)
        assert [target for _, target in itself] == list(range(len(text.split())))
        if kind != "word":  # there an unknown token can hold several words
            assert all(source == target for source, target in itself)


@pytest.mark.parametrize("kind", SIZES)
def test_words_of_an_output_are_those_of_its_text(kind: str) -> None:
    tokenizer = SentencePieceTokenizer.train(KNOWN, SIZES[kind], kind)
    for row in tokenizer.encode(HARD):
        tokens = read_tokens(tokenizer.pieces([*row, 2]))
        assert len(tokens) == len(row)
        itself = align_words(np.eye(len(tokens)), tokens, tokens)
        assert [target for _, target in itself] == list(
            range(len(tokenizer.decode([row])[0].split()))
        )


def test_a_translation() -> None:
    attention = np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.0, 0.0, 1.0]])
    tokens = ["␣gato", "␣el", "⏎"]
    assert align_translation(attention, tokens, [" the", " cat"]) == [(0, 1), (1, 0)]


def test_without_attention_there_are_no_alignments() -> None:
    with pytest.raises(
        ValueError, match=r"require a model with attention. Received: attention=None"
    ):
        align_translation(None, ["␣a", "⏎"], [" b"])
