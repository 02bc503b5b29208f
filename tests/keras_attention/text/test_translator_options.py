"""Ensembles, samples, constraints and copied words in a translator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.translator import pad
from tests.arrays import to_numpy
from tests.keras_attention.text.test_translator import (
    ALPHABET,
    MAX_LENGTH,
    MAX_SOURCE,
    make,
    save_run,
)


@pytest.fixture(scope="module")
def tokenizer() -> ka.SentencePieceTokenizer:
    return ka.SentencePieceTokenizer.train([ALPHABET], 64, "char")


@pytest.fixture(scope="module")
def translator(tokenizer: ka.SentencePieceTokenizer) -> ka.Translator:
    return make(tokenizer, end_bias=1.0)


@pytest.mark.thorough
def test_several_runs_are_an_ensemble(
    tokenizer: ka.SentencePieceTokenizer, translator: ka.Translator, tmp_path: Path
) -> None:
    other = make(tokenizer, end_bias=0.0, decoder_units=5)
    runs = [save_run(translator, tmp_path / "a"), save_run(other, tmp_path / "b")]
    both = ka.Translator.from_run(*runs)
    ensemble = ka.model.Ensemble([translator.model, other.model])
    expected = ensemble.generate(pad(both.encode(["bad cab"])), ka.BeamSearch(3, 0.4), MAX_LENGTH)
    (found,) = both(["bad cab"])
    assert found.score == pytest.approx(expected.scores[0, 0], abs=1e-5)
    assert found.attention is not None
    assert both.score(["abc"], ["cba"])[0].log_probability < 0

    ka.SentencePieceTokenizer.train(["xyz"], 64, "char").save(tmp_path / "b" / "target.model")
    with pytest.raises(ValueError, match=r"same tokenizers.*Received: .*a and .*b, whose"):
        ka.Translator.from_run(*runs)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_unknown_tokens_are_what_the_model_looked_at(kind: Any) -> None:
    tokenizer = ka.SentencePieceTokenizer.train(["ab ba abba", "ba ab ab ba"], 64, kind)
    writes_unknown = make(tokenizer, end_bias=-99.0)
    bias = to_numpy(writes_unknown.model.logits.bias)
    bias[UNKNOWN_ID] += 11.0
    writes_unknown.model.logits.bias.assign(bias)
    arguments = (writes_unknown.model, tokenizer, tokenizer, MAX_SOURCE, MAX_LENGTH)
    text = "ba Zoë ab 12"
    (plain,) = ka.Translator(*arguments)([text])
    (copied,) = ka.Translator(*arguments, replace_unknown=True)([text])
    assert copied.tokens == plain.tokens
    assert "⁇" in plain.text
    assert "�" in plain.tokens

    tokens = {"char": ["b", "a", " ", "Zoë", " ", "a", "b", " ", "12"], "word": text.split()}[kind]
    assert copied.attention is not None
    read = copied.attention[:, : len(tokens)].argmax(axis=1)
    words = [
        tokens[place]
        if token == "�"
        else token.replace("␣", " ").strip(" " if kind == "word" else "")
        for token, place in zip(copied.tokens, read, strict=True)
    ]
    assert copied.text == {"char": "", "word": " "}[kind].join(words).lstrip()


def test_unknown_tokens_need_attention(tokenizer: ka.SentencePieceTokenizer) -> None:
    model = make(tokenizer, end_bias=0.0, attention=None).model
    with pytest.raises(ValueError, match=r"`replace_unknown` needs.*Received: replace_unknown=Tr"):
        ka.Translator(model, tokenizer, tokenizer, 9, 9, replace_unknown=True)


def test_a_text_for_which_constraints_leave_nothing(translator: ka.Translator) -> None:
    def nothing(allowed: Any, written: Any) -> Any:
        return keras.ops.zeros_like(allowed)

    (found,) = translator(["abc"], ka.GreedySearch((nothing,)))
    assert (found.text, found.tokens, found.is_complete) == ("", [], False)
    assert found.score == -np.inf


def test_samples_are_others(translator: ka.Translator) -> None:
    (found,) = translator(["abc"], ka.SamplingSearch(seed=3, num_samples=4))
    assert len(found.others) == 3
    assert found.score >= found.others[0].score
