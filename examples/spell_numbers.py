"""Spell out numbers in words, the first step of a speech synthesizer.

The model reads characters; whether a "4" is four, forty or four hundred depends on the number of
digits that follow. The attention moves over the digits in order. The word "dollars" comes last, but
the model does not attend to the "$" at the start: the bidirectional encoder has carried this
information to the end.

    python -m examples.spell_numbers --picture spell-numbers.png
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import keras_attention as ka

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ONES += ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
ONES += ["eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
CHARACTERS = "0123456789,.$%"
WORDS = [*ONES, *TENS, "hundred", "thousand", "million", "point", "dollar", "dollars", "percent"]
START, END, FIRST = 1, 2, 4  # 0 is padding, 3 unknown; symbols begin at 4
Pair = tuple[str, list[str]]


def spell(number: int) -> list[str]:
    """Return the words of a number below a billion."""
    if number < 20:
        return [ONES[number]]
    if number < 100:
        return [TENS[number // 10 - 2], *(spell(number % 10) if number % 10 else [])]
    named = ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
    value, word = next(pair for pair in named if number >= pair[0])
    return [*spell(number // value), word, *(spell(number % value) if number % value else [])]


def written(random_: random.Random) -> Pair:
    """Draw a number, amount of dollars, percentage or decimal, as written and as spoken."""
    number = random_.randrange(10 ** random_.randint(1, 9))
    text, words = f"{number:,}", spell(number)
    kind = random_.choice(("number", "dollars", "percent", "decimal"))
    if kind == "dollars":
        return f"${text}", [*words, "dollar" if number == 1 else "dollars"]
    if kind == "percent":
        return f"{text}%", [*words, "percent"]
    if kind == "decimal":
        digits = random_.choices("0123456789", k=random_.randint(1, 3))
        return f"{text}.{''.join(digits)}", [*words, "point", *(ONES[int(x)] for x in digits)]
    return text, words


def pairs(count: int, seed: int, without: Sequence[Pair] = ()) -> list[Pair]:
    """Draw distinct pairs that are not in `without`."""
    random_, known = random.Random(seed), {text for text, _ in without}
    made: dict[str, list[str]] = {}
    while len(made) < count:
        text, words = written(random_)
        if text not in known:
            made[text] = words
    return list(made.items())


def encoded(sequences: Sequence[Sequence[str]], symbols: Sequence[str]) -> np.ndarray:
    """Return ids (B, longest), with end tokens, padded with 0."""
    ids = np.zeros((len(sequences), max(map(len, sequences)) + 1), "int32")
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence) + 1] = [*(FIRST + symbols.index(symbol) for symbol in sequence), END]
    return ids


def trained(examples: Sequence[Pair], epochs: int, units: int) -> ka.Seq2Seq:
    """Train a model on the examples."""
    config = ka.Seq2SeqConfig(
        source_vocabulary=FIRST + len(CHARACTERS),
        target_vocabulary=FIRST + len(WORDS),
        embedding_size=units // 2,
        encoder_units=units // 2,
        decoder_units=units,
        attention_units=units,
    )
    texts, words = zip(*examples, strict=True)
    labels = encoded(words, WORDS)
    given = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * len(examples) // 128 + 1)
    model = ka.Seq2Seq(config)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), ka.losses.MaskedCrossEntropy())
    inputs = {"source": encoded(texts, CHARACTERS), "target": given}
    model.fit(inputs, labels, batch_size=128, epochs=epochs, verbose=2)
    return model


def draw(text: str, words: Sequence[str], weights: np.ndarray, path: Path) -> None:
    """Draw the attention of each word to the characters."""
    from matplotlib import pyplot

    size = (0.36 * len(text) + 1.6, 0.3 * len(words) + 0.8)
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    axis.imshow(weights[: len(words) + 1, : len(text) + 1], cmap="Blues", vmin=0.0, vmax=1.0)
    axis.set_xticks(range(len(text) + 1), [*text, "■"])
    axis.set_yticks(range(len(words) + 1), [*words, "■"])
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model, spell unseen numbers from 1,000 on, and draw one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--numbers", type=int, default=20_000, help="training examples")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--units", type=int, default=96, help="units of the decoder")
    parser.add_argument("--picture", type=Path, help="draw the attention for $4,213")
    arguments = parser.parse_args(argv)
    keras.utils.set_random_seed(1)
    shown = ("$4,213", [*spell(4213), "dollars"])
    unseen = [shown, *(pair for pair in pairs(2_000, 2, without=[shown]) if "," in pair[0])][:1_000]
    model = trained(pairs(arguments.numbers, 1, without=unseen), arguments.epochs, arguments.units)

    found = model.generate(encoded([text for text, _ in unseen], CHARACTERS), max_length=24)
    said = [[WORDS[token - FIRST] for token in ids if token >= FIRST] for ids in found.ids[:, 0]]
    for (text, words), its in list(zip(unseen, said, strict=True))[:8]:
        print(f"{text:>16}  {' '.join(its)}{'' if its == words else ', not ' + ' '.join(words)}")
    right = [its == words for (_, words), its in zip(unseen, said, strict=True)]
    print(f"{100 * np.mean(right):.1f} % of {len(right)} unseen numbers from 1,000 on are right")
    if arguments.picture and found.attention is not None:
        draw(shown[0], said[0], found.attention[0, 0], arguments.picture)


if __name__ == "__main__":
    main()
