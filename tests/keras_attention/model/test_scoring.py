"""Scores of given targets, from a model and from a translator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import keras_attention as ka
from keras_attention.text.translator import pad
from tests.arrays import to_numpy
from tests.keras_attention.model.test_seq2seq import (
    MAX_LENGTH,
    SOURCE,
    SOURCE_VOCABULARY,
    TARGET_VOCABULARY,
    each_kind,
    new,
    teacher_forced,
)
from tests.keras_attention.text.test_translator import ALPHABET, MAX_SOURCE, TEXTS, make
from tests.keras_attention.text.test_translator import MAX_LENGTH as MOST
from tests.variants import variants

TARGET = np.array([[4, 3, 6, 2], [5, 2, 0, 0], [2, 0, 0, 0]])


@pytest.fixture(scope="module")
def translator() -> ka.Translator:
    return make(ka.SentencePieceTokenizer.train([ALPHABET], 64, "char"), end_bias=2.5)


@each_kind
def test_scores_are_those_of_the_model_as_it_is_trained(kind: str) -> None:
    model = new(kind)
    found = model.score(SOURCE, TARGET)
    for row, t in np.ndindex(TARGET.shape):
        expected = 0.0
        if TARGET[row, t]:
            log_probs = teacher_forced(model, SOURCE[row], tuple(TARGET[row, :t]))
            expected = log_probs[TARGET[row, t]]
        assert found.log_probs[row, t] == pytest.approx(expected, abs=1e-4)


@each_kind
@variants("search", [ka.BeamSearch(2, 0.7), ka.GreedySearch(), ka.BeamSearch(3, 0.0)])
def test_what_the_model_writes_has_the_score_of_its_search(kind: str, search: Any) -> None:
    model = new(kind)
    if model.logits is not None:
        model.logits.bias.assign(to_numpy(model.logits.bias) - 30.0 * np.eye(TARGET_VOCABULARY)[0])
    else:  # the logit of padding is 0, which is seldom the largest
        embeddings = to_numpy(model.target_embedding.embeddings)
        model.target_embedding.embeddings.assign(np.vstack([0.0 * embeddings[:1], embeddings[1:]]))
    found = model.generate(SOURCE, search, max_length=MAX_LENGTH)
    penalty, compared = getattr(search, "length_penalty", 0.0), 0
    for row, k in np.ndindex(found.lengths.shape):
        length = found.lengths[row, k]
        ids = found.ids[row, k, :length]
        if not ids.all():
            continue
        compared += 1
        again = model.score(SOURCE[row : row + 1], ids[None])
        score = again.log_probs.sum() / ((5 + length) / 6) ** penalty
        assert score == pytest.approx(found.scores[row, k], abs=1e-4)
        if found.attention is None:
            assert again.attention is None
        else:
            weights = found.attention[row, k, :length]
            np.testing.assert_allclose(again.attention[0], weights, atol=1e-5)
    assert compared >= (3 * search.width if model.logits is not None else 2)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (SOURCE, TARGET[:2], r"`target`.*as many rows.*3 sources, target of \(2, 4\)"),
        (SOURCE, [[3, 2], [2, 0], [0, 2]], r"`target` must be padded.* in row 2"),
        (SOURCE, TARGET + TARGET_VOCABULARY, r"`target`.*from 0 to 6. Received: target\[0, 0\]=11"),
        (SOURCE + SOURCE_VOCABULARY, TARGET, r"`source`.*from 0 to 10"),
        (SOURCE, TARGET / 1.0, r"`target`.*float64"),
    ],
)
def test_ids_that_cannot_be_scored(source: Any, target: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new("bahdanau").score(source, target)


def test_a_model_without_numbers_is_told() -> None:
    model = new("bahdanau")
    model.logits.bias.assign(np.full(TARGET_VOCABULARY, np.nan, "float32"))
    with pytest.raises(ValueError, match="NaN log-probabilities"):
        model.score(SOURCE, TARGET)


@pytest.mark.parametrize(
    "search", [ka.GreedySearch(), ka.BeamSearch(3, 0.0)], ids=["greedy", "beam"]
)
def test_own_translations_have_the_score_of_their_search(
    translator: ka.Translator, search: Any
) -> None:
    texts = [a + b for a in "abcdef" for b in "ghijk"]
    pairs = [
        (text, hypothesis)
        for text, best in zip(texts, translator(texts, search), strict=True)
        for hypothesis in (best, *best.others)
        # a text has the score of its own segmentation, not of all possible ones
        if tokens_of(translator, hypothesis.text) == hypothesis.tokens
    ]
    assert len({len(hypothesis.tokens) for _, hypothesis in pairs}) >= 4
    scored = translator.score([text for text, _ in pairs], [r.text for _, r in pairs], batch_size=2)
    for (_, result), score in zip(pairs, scored, strict=True):
        assert score.log_probability == pytest.approx(result.score, abs=1e-4)
        assert score.log_probabilities.sum() == pytest.approx(result.score, abs=1e-4)
        assert (score.tokens, score.source_tokens) == (result.tokens, result.source_tokens)
        np.testing.assert_allclose(score.attention, result.attention, atol=1e-5)


def tokens_of(translator: ka.Translator, text: str) -> list[str]:
    (ids,) = translator.target_tokenizer.encode([text])
    return translator.target_tokenizer.pieces([*ids, 2])


def test_pairs_keep_their_order_and_stand_alone(translator: ka.Translator) -> None:
    targets = ["a", "bad", "", "kk", "abcdef", "b a", "é", "k"]
    together = translator.score(TEXTS, targets, batch_size=3)
    for text, target, score in zip(TEXTS, targets, together, strict=True):
        (alone,) = translator.score([text], [target])
        assert score.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
        assert "".join(score.tokens).replace("␣", " ") == target + "⏎"
        assert "".join(score.source_tokens).replace("␣", " ") == text.strip() + "⏎"
        assert score.log_probabilities.shape == (len(score.tokens),)
        assert score.attention is not None
        assert score.attention.shape == (len(score.tokens), len(score.source_tokens))
        np.testing.assert_allclose(score.attention.sum(axis=1), 1.0, atol=1e-5)


def test_an_empty_text_is_its_end_token(translator: ka.Translator) -> None:
    source = pad(translator.encode(["abc", ""]))
    expected = translator.model.score(source, np.array([[2], [2]])).log_probs
    scores = translator.score(["abc", ""], ["", ""])
    assert [score.tokens for score in scores] == [["⏎"], ["⏎"]]
    np.testing.assert_allclose(
        [score.log_probability for score in scores], expected[:, 0], atol=1e-5
    )
    assert translator.score([], []) == []


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (
            ["a", "a" * MAX_SOURCE],
            ["a", "a"],
            r"Source 2 has 14 tokens .* takes 13. Received: 'aaa",
        ),
        (["a"] * 3, ["a", "a", "b" * MOST], r"Target 3 has 8 tokens .* takes 7. Received: 'bbb"),
        (["a", "b"], ["a"], "must have the same length. Received: 2 sources, 1 targets"),
    ],
)
def test_pairs_that_cannot_be_scored(
    translator: ka.Translator, sources: list[str], targets: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        translator.score(sources, targets)


def test_one_string_is_not_a_list_of_targets(translator: ka.Translator) -> None:
    with pytest.raises(
        TypeError, match=r"`targets` must be a list of strings. Received: targets='a'"
    ):
        translator.score(["a"], "a")
