"""Sentences with labels that people gave: which colour a picture's description names.

Multi30k has descriptions in German and their English originals. What the English one names is the
label of the German one, so a label comes from a person's translation and is not a word of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from training.corpora.pairs import CorpusFiles, Pair, read_corpus

GERMAN = {
    "black": "schwarz",
    "blue": "blau",
    "brown": "braun",
    "gray": "grau",
    "green": "grün",
    "orange": "orange",
    "pink": "rosa|pink",
    "purple": "lila|violett|purpur",
    "red": "rot",
    "white": "weiß|weiss",
    "yellow": "gelb",
}
"""The labels, and how German words for them begin or go on."""
_ENGLISH = {**{name: name for name in GERMAN}, "grey": "gray"}


class Labelled(NamedTuple):
    """A text and its label."""

    text: str
    label: str


def colours(split: str) -> list[Labelled]:
    """The German descriptions of a split, or of several (a glob), whose English names one colour.

    Args:
        split: For example `"train"` or `"test_*"`, of `multi30k/` in the data folder.

    Raises:
        CorpusError: If the files are not there or do not fit together, or no description is left.
    """
    files = CorpusFiles(source=f"multi30k/{split}.de", target=f"multi30k/{split}.en")
    return list(labelled(read_corpus(files).pairs))


def labelled(pairs: Iterable[Pair]) -> Iterator[Labelled]:
    """Of pairs German, English those with precisely one colour, once, in the English text."""
    for german, english in pairs:
        words = re.findall(r"\w+", english.lower())
        named = [_ENGLISH[word] for word in words if word in _ENGLISH]
        if len(named) == 1:
            yield Labelled(german.strip(), named[0])


def word_of(example: Labelled) -> range | None:
    """The places of the text's word that names the colour, if precisely one does."""
    words = [
        range(*word.span())
        for word in re.finditer(r"\w+", example.text)
        if re.search(GERMAN[example.label], word[0].lower())
    ]
    return words[0] if len(words) == 1 else None
