"""Hard text through a SavedModel gives what the translator gives: the same ids in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

import keras_attention as ka
from export.saved_model import save
from keras_attention.text.serving import ServingModule
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
    model = toy_model(
        source.vocabulary_size, target_vocabulary=target.vocabulary_size, end_bias=0.5
    )
    translator = ka.Translator(model, source, target, LONGEST, MAX_TARGET)
    serving = ServingModule(model, MAX_TARGET, tokenizers=(source, target))
    loaded = tf.saved_model.load(str(save(serving, tmp_path / "model", ["translate"])))
    found = loaded.signatures["translate"](text=tf.constant(TEXTS))
    expected = translator(TEXTS)
    assert [text.decode() for text in found["text"][:, 0].numpy()] == [t.text for t in expected]
    np.testing.assert_allclose(found["scores"][:, 0], [t.score for t in expected], rtol=1e-5)
    for attention, translation in zip(found["attention"][:, 0].numpy(), expected, strict=True):
        assert translation.attention is not None
        length, size = translation.attention.shape
        np.testing.assert_allclose(attention[:length, :size], translation.attention, atol=1e-6)
        assert not attention[:, size:].any()
    assert len({t.text for t in expected}) > 5
    assert sum(t.text == "" for t in expected) < 9
