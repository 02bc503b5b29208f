"""Correct misspelt names of countries and territories, with alternatives.

The misspellings are simulated: two letters are swapped, or one is omitted, doubled or replaced by
that of a neighbouring key. A beam search returns the most probable corrections with their
probabilities; it may invent a name. If all names are known, as here, it is better to search the
list, and better still to let the model choose among the closest names.

    python -m examples.correct_names --picture correct-names.png
"""

from __future__ import annotations

import argparse
import difflib
import random
import re
import string
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from babel import Locale

import keras_attention as ka

LETTERS = string.ascii_letters + " .'-"
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard
WORD, PLACE = re.compile("[a-z]{4}"), re.compile("(?=[a-z]{2})")  # where errors are made
LONGEST = 20
START, END, FIRST = 1, 2, 4  # 0 is padding, 3 unknown; letters begin at 4


def names() -> list[str]:
    """Return English names from the locale data that consist of LETTERS, of medium length."""
    found = {name for name in Locale("en").territories.values() if {*name} <= {*LETTERS}}
    return sorted(name for name in found if 5 <= len(name) <= LONGEST and WORD.search(name))


def neighbour(letter: str, random_: random.Random) -> str:
    """Draw a key next to that of a letter."""
    row = next(row for row in ROWS if letter in row)
    place = row.index(letter)
    return random_.choice(row[max(place - 1, 0) : place] + row[place + 1 : place + 2])


def misspelt(name: str, random_: random.Random) -> str:
    """Return a name with one typing error, sometimes two."""
    for _ in range(random_.choice((1, 1, 1, 2))):
        place = random_.choice([found.start() for found in PLACE.finditer(name)])
        a, b = name[place], name[place + 1]
        typed = random_.choice((b + a, b, a + a + b, neighbour(a, random_) + b))
        name = name[:place] + typed + name[place + 2 :]
    return name


def pairs(known: Sequence[str], copies: int, seed: int) -> list[tuple[str, str]]:
    """Return misspellings with their names, and one correct copy of each name."""
    random_ = random.Random(seed)
    made = [(misspelt(name, random_), name) for name in known for _ in range(copies)]
    return [*((name, name) for name in known), *made]


def encoded(texts: Sequence[str]) -> np.ndarray:
    """Return ids (B, longest), with end tokens, padded with 0."""
    ids = np.zeros((len(texts), max(map(len, texts)) + 1), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text) + 1] = [*(FIRST + LETTERS.index(letter) for letter in text), END]
    return ids


def trained(examples: Sequence[tuple[str, str]], epochs: int, units: int) -> ka.Seq2Seq:
    """Train a model on the examples."""
    config = ka.Seq2SeqConfig(
        source_vocabulary=FIRST + len(LETTERS),
        target_vocabulary=FIRST + len(LETTERS),
        embedding_size=units // 2,
        encoder_units=units // 2,
        decoder_units=units,
        attention_units=units,
    )
    texts, meant = zip(*examples, strict=True)
    labels = encoded(meant)
    given = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * len(examples) // 64 + 1)
    model = ka.Seq2Seq(config)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), ka.losses.MaskedCrossEntropy())
    inputs = {"source": encoded(texts), "target": given}
    model.fit(inputs, labels, batch_size=64, epochs=epochs, verbose=2)
    return model


def draw(text: str, name: str, weights: np.ndarray, path: Path) -> None:
    """Draw the attention of each letter of the name to the misspelling."""
    from matplotlib import pyplot

    size = (0.28 * len(text) + 1.0, 0.28 * len(name) + 0.8)
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    axis.imshow(weights[: len(name) + 1, : len(text) + 1], cmap="Blues", vmin=0.0, vmax=1.0)
    axis.set_xticks(range(len(text) + 1), [*text, "■"])
    axis.set_yticks(range(len(name) + 1), [*name, "■"])
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def chosen(model: ka.Seq2Seq, texts: Sequence[str], close: Sequence[Sequence[str]]) -> list[str]:
    """Return for each text the close name that the model considers most probable."""
    asked = encoded([text for text, names in zip(texts, close, strict=True) for _ in names])
    scored = model.score(asked, encoded([name for names in close for name in names]))
    best = scored.log_probs.sum(-1).reshape(len(texts), -1).argmax(-1)
    return [names[place] for names, place in zip(close, best, strict=True)]


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model, correct unseen misspellings, and draw one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", type=int, help="number of names (default: all)")
    parser.add_argument("--copies", type=int, default=60, help="misspellings of each name")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--units", type=int, default=96, help="units of the decoder")
    parser.add_argument("--picture", type=Path, help="draw the attention for one of them")
    arguments = parser.parse_args(argv)
    keras.utils.set_random_seed(1)
    known = names()[: arguments.names]
    examples = pairs(known, arguments.copies, seed=1)
    model = trained(examples, arguments.epochs, arguments.units)

    seen = {text for text, _ in examples}
    unseen = sorted({pair for pair in pairs(known, 10, seed=2) if pair[0] not in seen})
    random.Random(3).shuffle(unseen)
    texts = [text for text, _ in unseen]
    search = ka.BeamSearch(width=3, length_penalty=0.0)  # scores are log-probabilities
    found = model.generate(encoded(texts), search, max_length=LONGEST + 1)
    beams = [
        ["".join(LETTERS[token - FIRST] for token in ids if token >= FIRST) for ids in beam]
        for beam in found.ids
    ]
    for text, beam, scores in list(zip(texts, beams, found.scores, strict=True))[:8]:
        likely = zip(beam, np.exp(scores), strict=True)
        print(f"{text:21} {', '.join(f'{its} {100 * p:.0f} %' for its, p in likely)}")
    close = [difflib.get_close_matches(text, known, 5, cutoff=0.0) for text in texts]
    corrected = {
        "left unchanged": texts,
        "corrected by the model": [beam[0] for beam in beams],
        "replaced by the closest name (difflib)": [names[0] for names in close],
        "replaced by the model's choice among the five closest": chosen(model, texts, close),
    }
    for how, its in corrected.items():
        right = np.mean([name == one for (_, name), one in zip(unseen, its, strict=True)])
        print(f"{100 * right:.1f} % of {len(unseen)} unseen misspellings are right if {how}")
    if arguments.picture and found.attention is not None:
        place = max(range(len(texts)), key=lambda i: (beams[i][0] == unseen[i][1], len(texts[i])))
        draw(texts[place], beams[place][0], found.attention[place, 0], arguments.picture)


if __name__ == "__main__":
    main()
