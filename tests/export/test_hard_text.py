"""Hard text through a SavedModel gives what the translator gives: the same ids in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

import keras_attention as ka
from keras_attention.export.saved_model import save
from keras_attention.export.serving import ServingModule
from tests import existing_models
from tests.existing_models import SUBWORDS, existing_model, processor_of, real_lines
from tests.export.toy import toy_model
from tests.hard_text import HARD_TEXT, LEARNED
from tests.variants import variants

TEXTS = [text[:97] for text in HARD_TEXT.values()]  # the recurrent layers are slow
LONGEST, MAX_TARGET = 300, 7


@variants(("model_type", "normalization"), [("bpe", "nmt_nfkc_cf"), ("char", "identity")])
def test_hard_text_in_a_saved_model(model_type: str, normalization: str, tmp_path: Path) -> None:
    """The weights are random, so a different id would give different scores and bytes."""
    source = ka.SentencePieceTokenizer.train(LEARNED, 400, model_type, normalization)
    target = ka.SentencePieceTokenizer.train(LEARNED, 320, "bpe")
    check(source, target, TEXTS, tmp_path)


@variants(
    ("source", "target"), [("llama", "t5"), ("bpe", "unigram-bytes"), ("word", "char")], core=1
)
def test_existing_models_in_a_saved_model(source: str, target: str, tmp_path: Path) -> None:
    one, other = (
        ka.SentencePieceTokenizer.from_sentencepiece(existing_model(x)) for x in (source, target)
    )
    check(one, other, [text[:97] for text in existing_models.TEXTS], tmp_path)


@variants("name", SUBWORDS)
def test_real_lines_in_a_saved_model(name: str, corpora: Path, tmp_path: Path) -> None:
    """10,000 lines have the pieces of the model that was converted."""
    lines = real_lines(corpora)
    original = existing_model(name, lines[:2000], 1000)
    tokenizer = ka.SentencePieceTokenizer.from_sentencepiece(original)
    module = tf.Module()
    module.tokenizer = tokenizer.graph()
    module.encode = tf.function(
        lambda text: module.tokenizer.tokenize(text), [tf.TensorSpec([None], tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    ids = tf.saved_model.load(str(tmp_path / "model")).encode(tf.constant(lines)).to_list()
    assert ids == tokenizer.encode(lines)
    assert tokenizer.surfaces(lines) == processor_of(original).encode(lines, out_type=str)


def check(
    source: ka.SentencePieceTokenizer,
    target: ka.SentencePieceTokenizer,
    given: list[str],
    tmp_path: Path,
) -> None:
    """A SavedModel of a model with random weights gives what the translator gives."""
    model = toy_model(
        source.vocabulary_size, target_vocabulary=target.vocabulary_size, end_bias=0.5
    )
    translator = ka.Translator(model, source, target, LONGEST, MAX_TARGET)
    serving = ServingModule(model, MAX_TARGET, tokenizers=(source, target))
    loaded = tf.saved_model.load(str(save(serving, tmp_path / "model", ["translate"])))
    found = loaded.signatures["translate"](text=tf.constant(given))
    expected = translator(given)
    assert [text.decode() for text in found["text"][:, 0].numpy()] == [t.text for t in expected]
    np.testing.assert_allclose(found["scores"][:, 0], [t.score for t in expected], rtol=1e-5)
    for attention, translation in zip(found["attention"][:, 0].numpy(), expected, strict=True):
        assert translation.attention is not None
        length, size = translation.attention.shape
        np.testing.assert_allclose(attention[:length, :size], translation.attention, atol=1e-6)
        assert not attention[:, size:].any()
    assert len({t.text for t in expected}) > 5
    assert sum(t.text == "" for t in expected) < 9
