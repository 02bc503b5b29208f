"""Functions from strings to strings: a search on ids between two tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_attention.ids import END_ID, PADDING_ID, START_ID
from keras_attention.model.generation import Search, StepModel
from keras_attention.text.tokenizer import SentencePieceTokenizer
from keras_attention.types import Tensor

Tokenizers = tuple[SentencePieceTokenizer, SentencePieceTokenizer]


class TextSearch:
    """Searches between the tokenizers of the source and of the target, in TensorFlow graphs.

    Args:
        model: The model; it reads ids (B, S).
        tokenizers: The source and target tokenizers.
        max_source_length: Maximum number of source tokens, including the end token; longer texts
            are rejected. None for no limit.

    Attributes:
        graphs: The tokenizers for TensorFlow; a module that is saved with this must track them.

    Raises:
        ValueError: If a tokenizer's vocabulary size differs from the model's.
    """

    def __init__(
        self, model: StepModel, tokenizers: Tokenizers, max_source_length: int | None = None
    ) -> None:
        check_vocabularies(model, tokenizers)
        self.model, self.max_source_length = model, max_source_length
        self.tokenizers = tokenizers
        self.graphs = [tokenizer.graph() for tokenizer in tokenizers]

    def __call__(self, text: Tensor, search: Search, max_length: int | Tensor) -> dict[str, Tensor]:
        """Translate strings; as in `Translator`, an empty text has an empty translation.

        Args:
            text: (B,) strings.
            search: The search.
            max_length: T, maximum tokens per hypothesis, including the end token.

        Returns:
            `text` (B, K), `scores` (B, K) and, with attention, `attention` (B, K, T, S).
        """
        import tensorflow as tf

        source_tokenizer, target_tokenizer = self.graphs
        rows = source_tokenizer.tokenize(text)
        ends = tf.fill([tf.shape(text)[0], 1], END_ID)
        rows = tf.concat([rows, ends], axis=1)
        checks = [] if self.max_source_length is None else [self._check_length(rows)]
        with tf.control_dependencies(checks):
            source = rows.to_tensor(default_value=PADDING_ID)
        no_rows = tf.maximum(1 - tf.shape(source)[1], 0)
        source = tf.pad(source, [[0, 0], [0, no_rows]], constant_values=PADDING_ID)
        found = self.model.search(source, search, max_length)
        ids = tf.reshape(found.ids, [-1, max_length])
        special = [tf.equal(ids, token) for token in (PADDING_ID, START_ID, END_ID)]
        kept = tf.ragged.boolean_mask(ids, tf.logical_not(tf.reduce_any(special, axis=0)))
        texts = tf.reshape(target_tokenizer.detokenize(kept), tf.shape(found.scores))
        is_empty = tf.equal(rows.row_lengths(), 1)[:, None]
        outputs = {
            "text": tf.where(is_empty, "", texts),
            "scores": tf.where(is_empty, 0.0, found.scores),
        }
        if found.attention is not None:
            outputs["attention"] = tf.where(is_empty[:, :, None, None], 0.0, found.attention)
        return outputs

    def _check_length(self, rows: Any) -> Any:
        import tensorflow as tf

        longest = tf.reduce_max(tf.concat([[0], tf.cast(rows.row_lengths(), tf.int32)], axis=0))
        return tf.debugging.Assert(
            longest <= self.max_source_length,
            [
                f"A text must have at most {self.max_source_length} tokens, including the "
                "end token. Received a text with this many tokens:",
                longest,
            ],
        )


def check_vocabularies(model: StepModel, tokenizers: Sequence[SentencePieceTokenizer]) -> None:
    """Raise `ValueError` unless the vocabularies of tokenizers have the model's sizes."""
    if model.source_vocabulary is None:
        raise ValueError(
            "Argument `tokenizers` needs a model whose source is ids: set its attribute "
            f"`source_vocabulary`. Received: a {type(model).__name__} without it"
        )
    expected = (model.source_vocabulary, model.target_vocabulary)
    received = tuple(tokenizer.vocabulary_size for tokenizer in tokenizers)
    if received != expected:
        raise ValueError(
            f"Argument `tokenizers` must have {expected[0]} source and {expected[1]} target "
            f"tokens, like the model. Received: vocabulary sizes {received}"
        )
