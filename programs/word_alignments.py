"""Turn attention over tokens into word alignments, in Pharaoh format; needs NumPy."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

_BYTE = re.compile("<0x([0-9A-F]{2})>")


def align_words(
    attention: np.ndarray, target: Sequence[str], source: Sequence[str]
) -> list[tuple[int, int]]:
    """Align each target word with the source word that it attends to most.

    Words are separated by white space and numbered from 0; a token belongs to each word that
    contains one of its characters. The weight of two words is the sum over the rows of the target
    word's tokens and the columns of the source word's tokens. Each target word is aligned with the
    source word that has the largest weight, the first one if there are several. End tokens and
    tokens of white space are ignored.

    ```python
    >>> weights = np.array([[0.8, 0.1, 0.1], [0.4, 0.3, 0.3], [0.1, 0.2, 0.7]])
    >>> align_words(weights, target=[" ho", "la", " tú"], source=[" hello", " y", "ou"])
    [(0, 0), (1, 1)]

    ```

    Args:
        attention: Weights (T, S), one row per target token. Further rows and columns, such as those
            of the end token, are ignored.
        target: Target tokens without the end token, as they appear in the text; a byte token is
            written "<0xE6>".
        source: Source tokens, in the same form.

    Returns:
        Sorted pairs (source word, target word). A target word whose weights are all zero is not
        aligned.
    """
    of_target, of_source = _words_of(target), _words_of(source)
    weights = of_target @ np.asarray(attention)[: len(target), : len(source)] @ of_source.T
    if not weights.size:
        return []
    chosen = weights.argmax(axis=1)
    return sorted((int(s), t) for t, s in enumerate(chosen) if weights[t, s] > 0)


def pharaoh(alignment: Sequence[tuple[int, int]]) -> str:
    """Format an alignment as "0-0 1-2": source word, target word."""
    return " ".join(f"{source}-{target}" for source, target in alignment)


def align_translation(
    attention: np.ndarray | None, tokens: Sequence[str], source: Sequence[str]
) -> list[tuple[int, int]]:
    """Align a translation with its source.

    Args:
        attention: Its weights.
        tokens: Its tokens, as the library's `Translation.tokens` has them.
        source: The tokens of the source, as returned by `text_tokens`.
    """
    return align_words(weights_of(attention), read_tokens(tokens), source)


def write_alignments(out: Path, alignments: Iterable[Sequence[tuple[int, int]]]) -> None:
    """Write one line per alignment; a line is empty if there is nothing to align."""
    text = "".join(f"{pharaoh(alignment)}\n" for alignment in alignments)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


def weights_of(attention: np.ndarray | None) -> np.ndarray:
    """Return the weights; raise `ValueError` if there are none."""
    if attention is None:
        raise ValueError("Alignments require a model with attention. Received: attention=None")
    return attention


def text_tokens(model: bytes, texts: Sequence[str]) -> list[list[str]]:
    """Return the tokens of texts as they appear in the normalized text, unknown ones unchanged.

    Joined, the tokens give the words of the text.

    Args:
        model: The serialized SentencePiece model.
        texts: The texts.
    """
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [
        [token.replace("▁", " ") for token in row]
        for row in processor.encode(list(texts), out_type=str)
    ]


def read_tokens(tokens: Sequence[str]) -> list[str]:
    """Return the tokens of the library's `Translation.tokens` as they appear in the text.

    An unknown token is a word of its own, as in the decoded text, where it is " ⁇ ".
    """
    written = tokens[:-1] if tokens and tokens[-1] == "⏎" else tokens
    return [" ⁇ " if token == "�" else token.replace("␣", " ") for token in written]


def _words_of(tokens: Sequence[str]) -> np.ndarray:
    """Return which token belongs to which word: a matrix (words, tokens) of 0 and 1."""
    places: list[set[int]] = []
    is_inside = False
    for text, owners in _characters(tokens):
        for character in text:
            if character.isspace():
                is_inside = False
                continue
            if not is_inside:
                places.append(set())
                is_inside = True
            places[-1].update(owners)
    belongs = np.zeros((len(places), len(tokens)))
    for word, tokens_of_word in enumerate(places):
        belongs[word, list(tokens_of_word)] = 1.0
    return belongs


def _characters(tokens: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield pieces of text with their tokens: a single token, or the bytes of one character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    waiting: list[int] = []
    for place, token in enumerate([*tokens, ""]):
        byte = _BYTE.fullmatch(token)
        if byte:
            waiting.append(place)
        text = decoder.decode(bytes([int(byte[1], 16)]) if byte else b"", final=not byte)
        if text:
            yield text, waiting
        if text or not byte:
            waiting = []
        if not byte:
            yield token, [place]
