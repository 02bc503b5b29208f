"""Image descriptions, labelled with the colour that they name.

Multi30k has descriptions in German and their English originals. The colour in the English original
is the label of the German text, so the label is not itself a word of the text.
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
"""The labels, with patterns of the German words for them."""
_ENGLISH = {**{name: name for name in GERMAN}, "grey": "gray"}


class Labelled(NamedTuple):
    """A text and its label."""

    text: str
    label: str


def colours(split: str) -> list[Labelled]:
    """Return the German descriptions whose English original names exactly one colour.

    Args:
        split: A split of `multi30k/` in the data folder, such as `"train"`, or a glob for several,
            such as `"test_*"`.

    Raises:
        CorpusError: If the files are missing or not aligned, or no description is left.
    """
    files = CorpusFiles(source=f"multi30k/{split}.de", target=f"multi30k/{split}.en")
    return list(labelled(read_corpus(files).pairs))


def labelled(pairs: Iterable[Pair]) -> Iterator[Labelled]:
    """Yield the German texts of (German, English) pairs whose English text has one colour word."""
    for german, english in pairs:
        words = re.findall(r"\w+", english.lower())
        named = [_ENGLISH[word] for word in words if word in _ENGLISH]
        if len(named) == 1:
            yield Labelled(german.strip(), named[0])


def word_of(example: Labelled) -> range | None:
    """Return the positions of the word that names the colour, if there is exactly one."""
    words = [
        range(*word.span())
        for word in re.finditer(r"\w+", example.text)
        if re.search(GERMAN[example.label], word[0].lower())
    ]
    return words[0] if len(words) == 1 else None
