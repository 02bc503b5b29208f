"""Transliterate Serbian words from Latin to Cyrillic script as they are typed.

The pairs come from the locale data, which has every text in both scripts. With monotonic attention
and an encoder in one direction, the output does not wait for the end of the word. It has to wait
only if a letter may be the first of two: "n" is н, but "nj" is њ.

    python -m examples.transliterate --picture transliterate.png
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from babel import localedata

import keras_attention as ka

START, END, FIRST = 1, 2, 4  # 0 is padding, 3 unknown; letters begin at 4
HARD = {"mode": "hard"}
Pair = tuple[str, str]


def strings(latin: Any, cyrillic: Any) -> Iterator[Pair]:
    """Yield the strings at the same places of nested dictionaries."""
    if isinstance(latin, dict) and isinstance(cyrillic, dict):
        for key in latin.keys() & cyrillic.keys():
            yield from strings(latin[key], cyrillic[key])
    elif isinstance(latin, str) and isinstance(cyrillic, str):
        yield latin.lower(), cyrillic.lower()


def words() -> list[Pair]:
    """Return all words of the Serbian locale data in both scripts, in lower case."""
    found = set()
    for both in strings(*map(localedata.load, ("sr_Latn", "sr_Cyrl"))):
        latin, cyrillic = (re.findall(r"[^\W\d_]+", text) for text in both)
        if len(latin) == len(cyrillic):
            found |= {pair for pair in zip(latin, cyrillic, strict=True) if is_in_both(*pair)}
    return sorted(found)


def is_in_both(latin: str, cyrillic: str) -> bool:
    """Return whether the words are entirely in Latin and in Cyrillic letters."""
    return max(latin) < "Ͱ" < min(cyrillic)


def encoded(texts: Sequence[str], letters: str) -> np.ndarray:
    """Return ids (B, longest), with end tokens, padded with 0."""
    ids = np.zeros((len(texts), max(map(len, texts)) + 1), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text) + 1] = [*(FIRST + letters.index(letter) for letter in text), END]
    return ids


def trained(
    examples: Sequence[Pair], alphabets: tuple[str, str], epochs: int, units: int
) -> ka.Seq2Seq:
    """Train a model on the examples, and switch its attention to one letter per step."""
    config = ka.Seq2SeqConfig(
        source_vocabulary=FIRST + len(alphabets[0]),
        target_vocabulary=FIRST + len(alphabets[1]),
        embedding_size=units // 2,
        encoder="lstm",
        encoder_units=units,
        bridge="zeros",
        decoder_units=units,
        attention_units=units,
        alignment="monotonic",
        alignment_options={"noise": 2.0},
    )
    source, labels = (
        encoded(side, letters)
        for side, letters in zip(zip(*examples, strict=True), alphabets, strict=True)
    )
    given = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    rate = keras.optimizers.schedules.CosineDecay(0.005, epochs * len(examples) // 48 + 1)
    soft = ka.Seq2Seq(config)
    soft.compile(keras.optimizers.Adam(rate, clipnorm=1.0), ka.losses.MaskedCrossEntropy())
    inputs = {"source": source, "target": given}
    soft.fit(inputs, labels, batch_size=48, epochs=epochs, verbose=2)
    hard = ka.Seq2Seq(dataclasses.replace(config, alignment_options=HARD))
    hard.set_weights(soft.get_weights())
    return hard


def typed(model: ka.Seq2Seq, word: str, alphabets: tuple[str, str]) -> Iterator[Pair]:
    """Type a word; for each output letter, yield the text typed so far and the letter."""
    read = 0

    def keys() -> Iterator[int]:
        nonlocal read
        for token in encoded([word], alphabets[0])[0]:
            read += 1
            yield token

    for token in ka.model.stream(model, keys(), max_length=len(word) + 1):
        yield word[:read], alphabets[1][token - FIRST] if token >= FIRST else ""


def draw(word: str, its: str, weights: np.ndarray, path: Path) -> None:
    """Draw the position at which each letter stopped."""
    from matplotlib import pyplot

    size = (0.3 * len(word) + 1.0, 0.3 * len(its) + 0.8)
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    axis.imshow(weights[: len(its) + 1, : len(word) + 1], cmap="Blues", vmin=0.0, vmax=1.0)
    axis.set_xticks(range(len(word) + 1), [*word, "■"])
    axis.set_yticks(range(len(its) + 1), [*its, "■"])
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model, transliterate unseen words, type one, and draw it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--words", type=int, help="training words (default: all but 300)")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--picture", type=Path, help="draw the attention for one of them")
    arguments = parser.parse_args(argv)
    keras.utils.set_random_seed(1)
    all_pairs = words()
    latin, cyrillic = ("".join(side) for side in zip(*all_pairs, strict=True))
    alphabets = "".join(sorted({*latin})), "".join(sorted({*cyrillic}))
    random.Random(1).shuffle(all_pairs)
    unseen, examples = all_pairs[:300], all_pairs[300:][: arguments.words]
    two_for_one = [pair for pair in examples if len(pair[0]) > len(pair[1])]
    examples += 8 * two_for_one  # because they are rare
    model = trained(examples, alphabets, arguments.epochs, arguments.units)

    found = model.generate(encoded([latin for latin, _ in unseen], alphabets[0]), max_length=40)
    answers = [
        "".join(alphabets[1][token - FIRST] for token in ids if token >= FIRST)
        for ids in found.ids[:, 0]
    ]
    for (latin, cyrillic), its in list(zip(unseen, answers, strict=True))[:8]:
        print(f"{latin:16} {its:16} {'' if its == cyrillic else cyrillic}")
    right = [its == cyrillic for (_, cyrillic), its in zip(unseen, answers, strict=True)]
    print(f"{100 * np.mean(right):.1f} % of {len(right)} unseen words are right")
    waits = [i for i, (latin, cyrillic) in enumerate(unseen) if len(latin) > len(cyrillic)]
    place = max(waits, key=lambda i: right[i])
    so_far = ""
    for keys, letter in typed(model, unseen[place][0], alphabets):
        so_far += letter
        print(f"    {keys:16} {so_far}")
    if arguments.picture and found.attention is not None:
        draw(unseen[place][0], answers[place], found.attention[place, 0], arguments.picture)


if __name__ == "__main__":
    main()
