"""Which language is a name in? Letters pooled by attention, beside a mean of the same encoder.

The names of countries, regions, languages, months and days in ten languages, as the locale data has
them. What is asked was learned from in no language: where "Spanien" is asked, "Espagne" is not
learned from. The weights say which letters the pooling took.

    python -m examples.which_language --picture which-language.png
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from babel import Locale

import keras_attention as ka

LANGUAGES = ("cs", "de", "en", "es", "fi", "fr", "it", "nl", "pl", "tr")
Labelled = tuple[str, int]


def names_of(language: str) -> dict[str, str]:
    """The names that a language has, in small letters, by what they are the names of."""
    locale = Locale(language)
    names = {
        "territory": locale.territories,
        "language": locale.languages,
        "month": locale.months["format"]["wide"],
        "day": locale.days["format"]["wide"],
    }
    return {f"{kind} {key}": its[key].lower() for kind, its in names.items() for key in its}


def labelled_names() -> tuple[list[Labelled], list[Labelled]]:
    """Names to learn from and others, each with the number of its language, the only one it is in.

    A fifth of what is named is left to the others, in all languages.
    """
    named = [names_of(language) for language in LANGUAGES]
    in_languages = Counter(name for names in named for name in set(names.values()))
    keys = sorted({key for names in named for key in names})
    random.Random(1).shuffle(keys)

    def names(keys: Sequence[str]) -> dict[str, int]:
        return {
            names[key]: label
            for key in keys
            for label, names in enumerate(named)
            if key in names and in_languages[names[key]] == 1
        }

    others = len(keys) // 5
    known = names(keys[others:])
    unseen = [(name, label) for name, label in names(keys[:others]).items() if name not in known]
    return list(known.items()), unseen


def encoded(names: Sequence[str], letters: str) -> np.ndarray:
    """Ids (B, longest) from 1, padded with 0; a letter that is not known has the last id."""
    ids = np.zeros((len(names), max(map(len, names))), "int32")
    for row, name in zip(ids, names, strict=True):
        row[: len(name)] = [letters.find(letter) % (len(letters) + 1) + 1 for letter in name]
    return ids


def classifier(letters: str, units: int, by_attention: bool) -> tuple[keras.Model, keras.Model]:
    """From ids to logits of the languages, and from ids to weights, which a mean has not."""
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(len(letters) + 2, units, mask_zero=True)(ids)
    encoded, *_ = ka.BiLSTMEncoder(units, dropout=0.3)(embedded)
    if by_attention:
        pooled, weights = ka.AttentionPooling(units)(encoded, return_attention_scores=True)
    else:
        pooled, weights = keras.layers.GlobalAveragePooling1D()(encoded), embedded
    pooled = keras.layers.Dropout(0.3)(pooled)
    logits = keras.layers.Dense(len(LANGUAGES))(pooled)
    return keras.Model(ids, logits), keras.Model(ids, weights)


def train(model: keras.Model, examples: Sequence[Labelled], letters: str, epochs: int) -> None:
    """Teach it the languages of the examples."""
    names, labels = zip(*examples, strict=True)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * len(examples) // 64 + 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    model.fit(encoded(names, letters), np.array(labels), 64, epochs, verbose=2)


def draw(names: Sequence[str], answers: Sequence[str], weights: np.ndarray, path: Path) -> None:
    """The letters of names, the darker the more weight, and the language that was answered."""
    from matplotlib import pyplot

    longest = max(map(len, names))
    size = (0.2 * longest + 0.8, 0.3 * len(names) + 0.2)
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    axis.imshow(weights[:, :longest], cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row, name in enumerate(names):
        for place, letter in enumerate(name):
            colour = "white" if weights[row, place] > 0.6 else "black"
            axis.text(place, row, letter, color=colour, ha="center", va="center")
    axis.set_yticks(range(len(names)), answers)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train both, ask for names that were not seen, draw one of each language."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", type=int, help="to learn from; without it all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--units", type=int, default=64, help="of each direction of the encoder")
    parser.add_argument("--picture", type=Path, help="draw the letters that had weight")
    arguments = parser.parse_args(argv)
    examples, unseen = labelled_names()
    random.Random(2).shuffle(examples)
    examples = examples[: arguments.names]
    letters = "".join(sorted({letter for name, _ in examples for letter in name}))
    ids = encoded([name for name, _ in unseen], letters)
    labels = np.array([label for _, label in unseen])
    print(f"{len(examples)} names to learn from, {len(unseen)} others, {len(LANGUAGES)} languages")
    for pooling in ("mean", "attention"):
        keras.utils.set_random_seed(1)
        model, weights_of = classifier(letters, arguments.units, pooling == "attention")
        train(model, examples, letters, arguments.epochs)
        answers = model.predict(ids, verbose=0).argmax(-1)
        print(f"{pooling}: {100 * np.mean(answers == labels):.1f} % of the others are right")

    first = [int(np.flatnonzero(labels == label)[0]) for label in range(len(LANGUAGES))]
    weights = weights_of.predict(ids[first], verbose=0)
    names, said = [unseen[i][0] for i in first], [LANGUAGES[answers[i]] for i in first]
    for name, answer, label, its in zip(names, said, LANGUAGES, weights, strict=True):
        best = sorted(np.argsort(-its[: len(name)])[:3])
        looked = "".join(letter.upper() if i in best else letter for i, letter in enumerate(name))
        print(f"{looked:32} {answer} {'' if answer == label else 'not ' + label}")
    if arguments.picture:
        draw(names, said, weights, arguments.picture)


if __name__ == "__main__":
    main()
