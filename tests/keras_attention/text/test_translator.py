from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

import keras_attention as ka
from keras_attention.decoding import search_from
from keras_attention.ids import END_ID, START_ID
from keras_attention.text.translator import pad
from tests.arrays import randomize, to_numpy

ALPHABET = "abcdefghijk é日"
TEXTS = ["abc", "", "k", "é 日 ab", "jihgfedcba", "   ", "bad cab", "k"]
MAX_SOURCE, MAX_LENGTH = 13, 7


@pytest.fixture(scope="module")
def tokenizer() -> ka.SentencePieceTokenizer:
    return ka.SentencePieceTokenizer.train([ALPHABET], 64, "char")


def make(tokenizer: ka.SentencePieceTokenizer, end_bias: float, **changes: Any) -> ka.Translator:
    """A translator with random weights; the bias controls how soon outputs end."""
    sizes: dict[str, Any] = {"embedding_size": 7, "encoder_units": 5, "decoder_units": 11}
    vocabulary = tokenizer.vocabulary_size
    config = ka.Seq2SeqConfig(vocabulary, vocabulary, attention_units=6, **{**sizes, **changes})
    model = ka.Seq2Seq(config)
    randomize(model, seed=3, scale=1.3)
    bias = to_numpy(model.logits.bias)
    bias[[0, 1, 3]] -= 9.0
    bias[END_ID] += end_bias
    model.logits.bias.assign(bias)
    return ka.Translator(model, tokenizer, tokenizer, MAX_SOURCE, MAX_LENGTH)


@pytest.fixture(scope="module")
def translator(tokenizer: ka.SentencePieceTokenizer) -> ka.Translator:
    return make(tokenizer, end_bias=1.0)


def test_results_are_in_the_order_of_the_texts(translator: ka.Translator) -> None:
    results = translator(TEXTS, batch_size=3)
    sources = ["".join(r.source_tokens).replace("␣", " ").rstrip("⏎") for r in results]
    assert sources == [text.strip() for text in TEXTS]
    assert len({result.text for result in results}) > 3


@pytest.mark.parametrize("search", [ka.GreedySearch(), ka.BeamSearch(3)], ids=["greedy", "beam"])
def test_a_batch_gives_what_each_text_alone_gives(translator: ka.Translator, search: Any) -> None:
    for together, text in zip(translator(TEXTS, search), TEXTS, strict=True):
        (alone,) = translator([text], search)
        assert (together.text, together.tokens) == (alone.text, alone.tokens)
        assert together.score == pytest.approx(alone.score, abs=1e-5)
        assert together.attention is not None
        np.testing.assert_allclose(together.attention, alone.attention, atol=1e-5)
        assert [other.text for other in together.others] == [other.text for other in alone.others]


@pytest.mark.thorough
def test_threads_translate_beside_a_training(
    tokenizer: ka.SentencePieceTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so many options that searches are forgotten and compiled anew meanwhile."""
    monkeypatch.setattr("keras_attention.model.compiled.MOST", 1)
    translator, trained = make(tokenizer, end_bias=1.0), make(tokenizer, end_bias=0.0).model
    searches = [ka.GreedySearch(), ka.BeamSearch(2, 0.5)]
    alone = {search: translator(TEXTS, search) for search in searches}
    ids = np.array([[5, 6, END_ID]] * 4)
    trained.compile("sgd", ka.losses.MaskedCrossEntropy())

    def translate(thread: int) -> list[tuple[Any, Any]]:
        search = searches[thread % 2]
        return list(zip(translator(TEXTS, search), alone[search], strict=True))

    with ThreadPoolExecutor(5) as pool:
        fitting = pool.submit(trained.fit, {"source": ids, "target": ids}, ids, epochs=3, verbose=0)
        results = [pair for part in pool.map(translate, range(8)) for pair in part]
        assert len(fitting.result().epoch) == 3
    for found, expected in results:
        assert found.text == expected.text
        assert found.score == pytest.approx(expected.score, abs=1e-5)


def test_the_score_is_the_log_probability_under_teacher_forcing(translator: ka.Translator) -> None:
    for text in ("abc", "jihgfedcba"):
        (result,) = translator([text])
        source = translator.encode([text])
        target = translator.model.generate(np.array(source), max_length=MAX_LENGTH).ids[0, 0]
        before = np.array([[START_ID, *target[:-1]]])
        logits = translator.model({"source": np.array(source), "target": before})
        log_probs = to_numpy(keras.ops.log_softmax(logits))[0]
        expected = sum(log_probs[step, token] for step, token in enumerate(target))
        assert result.score == pytest.approx(expected, abs=1e-5)
        assert result.tokens == translator.target_tokenizer.pieces(target)


def test_attention_has_a_row_for_each_token_and_no_padding(translator: ka.Translator) -> None:
    for result in translator(TEXTS):
        assert result.attention is not None
        assert result.attention.shape == (len(result.tokens), len(result.source_tokens))
        np.testing.assert_allclose(result.attention.sum(axis=1), 1.0, atol=1e-5)


def test_an_empty_text_has_an_empty_translation(translator: ka.Translator) -> None:
    for text in ("", "   "):
        (result,) = translator([text])
        assert (result.text, result.score, result.tokens) == ("", 0.0, [])
        assert (result.source_tokens, result.is_complete, result.others) == (["⏎"], True, [])
        assert result.attention is not None
        assert result.attention.shape == (0, 1)


def test_no_texts_have_no_translations(translator: ka.Translator) -> None:
    assert translator([]) == []


@pytest.mark.usefixtures("eager")
def test_the_other_hypotheses_of_a_beam_follow_best_first(translator: ka.Translator) -> None:
    for text in ("abc", "bad cab"):
        (best,) = translator([text], ka.BeamSearch(5, 0.0))
        hypotheses = [best, *best.others]
        assert len({tuple(h.tokens) for h in hypotheses}) == 5
        assert all(a.score >= b.score for a, b in pairwise(hypotheses))
        assert all(h.source_tokens == best.source_tokens for h in hypotheses)
        assert not any(h.others for h in best.others)
        (greedy,) = translator([text])
        assert best.score >= greedy.score - 1e-6
        assert greedy.others == []


@pytest.mark.usefixtures("eager")
def test_a_call_may_name_another_search_than_the_translator_has(
    tokenizer: ka.SentencePieceTokenizer,
) -> None:
    translator = make(tokenizer, end_bias=1.0)
    translator.search = ka.BeamSearch(3)
    assert len(translator(["abc"])[0].others) == 2
    assert translator(["abc"], ka.GreedySearch())[0].others == []


@pytest.mark.usefixtures("eager")
def test_a_translation_that_was_cut_says_so(tokenizer: ka.SentencePieceTokenizer) -> None:
    cut = make(tokenizer, end_bias=-99.0)(["abc"])[0]
    assert not cut.is_complete
    assert len(cut.tokens) == MAX_LENGTH
    assert "⏎" not in cut.tokens
    assert cut.attention is not None
    assert cut.attention.shape == (MAX_LENGTH, 4)


@pytest.mark.usefixtures("eager")
def test_a_translation_that_ends_at_once(tokenizer: ka.SentencePieceTokenizer) -> None:
    ended = make(tokenizer, end_bias=99.0)(["abc"])[0]
    assert (ended.text, ended.tokens, ended.is_complete) == ("", ["⏎"], True)


@pytest.mark.usefixtures("eager")
def test_a_model_without_attention_has_none_to_show(tokenizer: ka.SentencePieceTokenizer) -> None:
    translator = make(tokenizer, end_bias=1.0, attention=None)
    assert [result.attention for result in translator(["abc", ""])] == [None, None]


def test_a_text_that_is_too_long_is_an_error_that_gives_its_number(
    translator: ka.Translator,
) -> None:
    longest = "a" * (MAX_SOURCE - 1)
    assert len(translator([longest])[0].source_tokens) == MAX_SOURCE
    with pytest.raises(ValueError, match=r"Text 3 has 14 tokens .* takes 13. Received: 'aaaaaaa"):
        translator(["b", longest, longest + "a"])


def test_texts_are_anything_that_has_an_order(translator: ka.Translator) -> None:
    texts = ["a", "abc", "b"]
    expected = [one.text for one in translator(texts)]
    for given in ((text for text in texts), tuple(texts), np.array(texts).tolist(), iter(texts)):
        assert [one.text for one in translator(given)] == expected
    scores = translator.score(iter(texts), iter(texts))
    for one, other in zip(scores, translator.score(texts, texts), strict=True):
        assert one.log_probability == other.log_probability


@pytest.mark.parametrize("texts", [{"a": "b"}, {"a"}, frozenset("a"), 3, None])
def test_texts_without_an_order_are_refused(translator: ka.Translator, texts: Any) -> None:
    with pytest.raises(TypeError, match=r"`texts` must be a list of strings. Received: texts="):
        translator(texts)


@pytest.mark.parametrize("texts", ["abc", b"abc"])
def test_one_string_is_not_a_list_of_texts(translator: ka.Translator, texts: Any) -> None:
    with pytest.raises(
        TypeError, match=r"`texts` must be a list of strings. Received: texts=b?'abc'"
    ):
        translator(texts)


@pytest.mark.parametrize("texts", [[None], [3], ["a", None]])
def test_texts_must_be_strings(translator: ka.Translator, texts: Any) -> None:
    with pytest.raises(TypeError, match="str"):
        translator(texts)


def save_run(translator: ka.Translator, path: Path) -> Path:
    """A run directory that holds the translator."""
    path.mkdir()
    run = ka.RunDirectory(path)
    translator.source_tokenizer.save(run.source_model)
    translator.target_tokenizer.save(run.target_model)
    translator.model.save(run.model_file)
    run.held_out_file.touch()
    config = {
        "name": "toy",
        "data": {"max_source_length": MAX_SOURCE, "max_target_length": MAX_LENGTH},
        "search": {"beam_width": 3, "length_penalty": 0.4},
    }
    run.config_file.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.usefixtures("eager")
def test_from_run(translator: ka.Translator, tmp_path: Path) -> None:
    same = ka.Translator.from_run(save_run(translator, tmp_path / "run"))
    assert same.search == ka.BeamSearch(3, 0.4)
    assert (same.max_source_length, same.max_length) == (MAX_SOURCE, MAX_LENGTH)
    expected = translator(TEXTS, ka.BeamSearch(3, 0.4))
    for ours, theirs in zip(same(TEXTS), expected, strict=True):
        assert ours.text == theirs.text
        assert ours.score == pytest.approx(theirs.score, abs=1e-6)


def test_a_search_from_options() -> None:
    constraints = (ka.decoding.MinLength(3), ka.decoding.NoRepeatedNgram(2))
    assert search_from(1, 0.6, 0.2, 3, 2) == ka.GreedySearch(constraints)
    expected = ka.BeamSearch(4, 0.6, 0.2, constraints=constraints)
    assert search_from(4, 0.6, 0.2, 3, 2) == expected


def test_a_beam_of_one_is_greedy() -> None:
    assert search_from(1, 0.6) == ka.GreedySearch()
    assert search_from(2, 0.3) == ka.BeamSearch(2, 0.3)
    with pytest.raises(ValueError, match="width"):
        search_from(0, 0.6)


def test_padding_is_on_the_right() -> None:
    padded = pad([[5, 2], [7, 8, 9, 2], [2]])
    assert padded.tolist() == [[5, 2, 0, 0], [7, 8, 9, 2], [2, 0, 0, 0]]
    assert padded.dtype == np.int32
