"""The tokenizers of a training."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from keras_attention.text.tokenizer import ModelType, Normalization
from keras_attention.text.tokenizer import SentencePieceTokenizer as Tokenizer
from training.corpora.files import found_files
from training.corpora.report import first_few
from training.program import ConfigError
from training.recipes.config import TextConfig
from training.shards.parts import Tokenizers


def learned_tokenizers(
    text: TextConfig, source: Iterable[str], target: Iterable[str]
) -> Tokenizers:
    """Train tokenizers on texts, or read existing ones; if shared, return one twice.

    Raises:
        ConfigError: If a tokenizer cannot be trained as configured, or an existing one not be used.
    """

    def learned(
        side: str, sentences: Iterable[str], model_type: ModelType, rule: Normalization
    ) -> Tokenizer:
        existing = getattr(text, f"{side}_model")
        if existing is not None:
            return _converted(f"text.{side}_model", existing)
        size = getattr(text, f"{side}_vocabulary")
        try:
            return Tokenizer.train(sentences, size, model_type, rule)
        except ValueError as error:
            raise ConfigError(f"Key `text.{side}_vocabulary`: {error}") from error

    of_source = text.model_type, text.normalization
    if text.shared:
        both = learned("target", itertools.chain(source, target), *of_source)
        return both, both
    of_target = (
        text.target_model_type or text.model_type,
        text.target_normalization or text.normalization,
    )
    return learned("source", source, *of_source), learned("target", target, *of_target)


def _converted(key: str, name: str) -> Tokenizer:
    """Return an existing SentencePiece model with the ids of this package."""
    (file, *others) = found_files(key, [name])
    try:
        if others:
            raise ValueError(f"must name one file. Received: {first_few([file, *others])}")
        return Tokenizer.from_sentencepiece(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"Key `{key}`: {error} ({name})") from error
