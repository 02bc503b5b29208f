"""Write commands in English and German: `python -m training.playing.commands data/commands.tsv`.

These are the sentences of docs/lecture.md. German puts the negation last: "don't eat the big
pizza" is "iss die große Pizza nicht", so the first word of a command decides on the last of its
translation. Everything else is translated word by word.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_attention.files import write
from training.program import guarded

VERBS = {
    "eat": "iss",
    "buy": "kauf",
    "cut": "schneide",
    "bake": "back",
    "share": "teile",
    "fetch": "hol",
}
NOUNS = {
    "pizza": "Pizza",
    "soup": "Suppe",
    "pear": "Birne",
    "cake": "Torte",
    "potato": "Kartoffel",
}
LOOKS = {
    "big": "große",
    "red": "rote",
    "cold": "kalte",
    "cheap": "billige",
    "old": "alte",
    "sweet": "süße",
}
HOW = {"delicious": "lecker", "fresh": "frisch", "strange": "seltsam"}
SENSES = {"looking": "aussehende", "smelling": "riechende"}
NEGATION = "don't"
GERMAN = {**VERBS, **NOUNS, **LOOKS, **HOW, **SENSES, "and": "und", "the": "die", NEGATION: "nicht"}
COUNT, LONGEST, SEED = 30_000, 24, 1


def command(rng: np.random.Generator) -> list[str]:
    """Draw a command, such as "don't eat the delicious looking pizza"; one in two says don't."""
    words = [NEGATION] * int(rng.integers(2)) + [rng.choice(list(VERBS)), "the"]
    for _ in range(rng.integers(3)):
        senses = [["looking"], ["smelling"], ["looking", "and", "smelling"]][rng.integers(3)]
        manner = [rng.choice(list(HOW)), *senses]
        words += manner if rng.random() < 0.4 else [rng.choice(list(LOOKS))]
    return [str(word) for word in [*words, rng.choice(list(NOUNS))]]


def sentence(length: int, rng: np.random.Generator) -> list[str]:
    """Draw commands, joined by "and", until there are at least so many words."""
    words = command(rng)
    while len(words) < length:
        words += ["and", *command(rng)]
    return words


def translated(words: Sequence[str]) -> list[str]:
    """Translate word by word, except that "don't" waits for the noun that ends its command."""
    german, is_negated = [], False
    for word in words:
        is_negated = is_negated or word == NEGATION
        if word != NEGATION:
            german.append(GERMAN[word])
        if word in NOUNS and is_negated:
            german.append(GERMAN[NEGATION])
            is_negated = False
    return german


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Draw sentences of 1 to 24 words and a few more, with their translations."""
    rng = np.random.default_rng(seed)
    sources = (sentence(int(rng.integers(1, LONGEST + 1)), rng) for _ in range(count))
    return [(" ".join(words), " ".join(translated(words))) for words in sources]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.playing.commands",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="TSV", help="the file to write")
    options = parser.parse_args(arguments)
    return guarded(lambda: _write(options.out), OSError)


def _write(out: Path) -> int:
    write(out, "".join(f"{source}\t{target}\n" for source, target in pairs(COUNT, SEED)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
