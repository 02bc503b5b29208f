"""Detect the language of the only foreign name in a list, which depends on a few letters.

The lists contain names of countries, regions and languages from the locale data, all but one in
English. The same encoder is pooled by a mean, which dilutes the evidence of a few letters, and by
attention, which finds them, as the weights show. What is named in a test list never occurs in
training, in any language: if "Spanien" is in the test set, "Espagne" is not in the training set.

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

LANGUAGES = ("cs", "de", "es", "fi", "fr", "it", "nl", "pl", "tr")
NAMES = 5
Labelled = tuple[str, int, str]  # a list, the index of the language, the foreign name


def names_of(language: str) -> dict[str, str]:
    """Return the lower-case names in a language, keyed by what they name.

    Python lower-cases "İ" to "i" with a combining dot, which is removed because it would reveal
    Turkish.
    """
    locale = Locale(language)
    names = {"territory": locale.territories, "language": locale.languages}
    named = {f"{kind} {key}": its[key] for kind, its in names.items() for key in its}
    small = {key: name.lower().replace("\u0307", "") for key, name in named.items()}
    return {key: name for key, name in small.items() if len(name) <= 14}


def lists(keys: Sequence[str], count: int, seed: int) -> list[Labelled]:
    """Draw lists of names for the given keys, each with one name that only one language has."""
    english, named = names_of("en"), [names_of(language) for language in LANGUAGES]
    in_languages = Counter(name for names in [english, *named] for name in {*names.values()})
    foreign = [
        [names[key] for key in keys if key in names and in_languages[names[key]] == 1]
        for names in named
    ]
    others = [english[key] for key in keys if key in english]
    random_, made = random.Random(seed), []
    for _ in range(count):
        label = random_.randrange(len(LANGUAGES))
        name = random_.choice(foreign[label])
        names = [name, *random_.sample(others, NAMES - 1)]
        random_.shuffle(names)
        made.append((", ".join(names), label, name))
    return made


def seen_and_unseen() -> tuple[list[str], list[str]]:
    """Return the keys for training, and a fifth of all keys for testing."""
    keys = sorted({key for language in LANGUAGES for key in names_of(language)})
    random.Random(1).shuffle(keys)
    return keys[len(keys) // 5 :], keys[: len(keys) // 5]


def encoded(texts: Sequence[str], letters: str) -> np.ndarray:
    """Return ids (B, longest) from 1, padded with 0; an unknown letter has the last id."""
    ids = np.zeros((len(texts), max(map(len, texts))), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = [letters.find(letter) % (len(letters) + 1) + 1 for letter in text]
    return ids


def classifier(letters: str, units: int, by_attention: bool) -> tuple[keras.Model, keras.Model]:
    """Return models from ids to logits and from ids to weights (unused for a mean)."""
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
    """Train a model on the examples."""
    texts, labels, _ = zip(*examples, strict=True)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * len(examples) // 64 + 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    model.fit(encoded(texts, letters), np.array(labels), 64, epochs, verbose=2)


def draw(texts: Sequence[str], answers: Sequence[str], weights: np.ndarray, path: Path) -> None:
    """Draw the letters of lists, darker for larger weights, with the predicted language."""
    from matplotlib import pyplot

    longest = max(map(len, texts))
    size = (0.15 * longest + 0.6, 0.3 * len(texts) + 0.2)
    figure, axis = pyplot.subplots(figsize=size, layout="constrained")
    axis.imshow(weights[:, :longest], cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row, text in enumerate(texts):
        for place, letter in enumerate(text):
            colour = "white" if weights[row, place] > 0.6 else "black"
            axis.text(place, row, letter, color=colour, ha="center", va="center")
    axis.set_yticks(range(len(texts)), answers)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train both models, test them on unseen names, and draw one list per language."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lists", type=int, default=10_000, help="training lists")
    parser.add_argument("--asked", type=int, default=500, help="test lists")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", type=int, default=48, help="units per encoder direction")
    parser.add_argument("--picture", type=Path, help="draw the letters with their weights")
    arguments = parser.parse_args(argv)
    seen, unseen = seen_and_unseen()
    examples, asked = lists(seen, arguments.lists, seed=1), lists(unseen, arguments.asked, seed=2)
    letters = "".join(sorted({letter for text, *_ in examples for letter in text}))
    ids = encoded([text for text, *_ in asked], letters)
    labels = np.array([label for _, label, _ in asked])
    for pooling in ("mean", "attention"):
        keras.utils.set_random_seed(1)
        model, weights_of = classifier(letters, arguments.units, pooling == "attention")
        train(model, examples, letters, arguments.epochs)
        answers = model.predict(ids, verbose=0).argmax(-1)
        print(
            f"{pooling}: {100 * np.mean(answers == labels):.1f} % of {len(asked)} lists are right"
        )

    weights = weights_of.predict(ids, verbose=0)
    starts = [text.index(name) for text, _, name in asked]
    on_it = [
        its[start : start + len(name)].sum()
        for its, start, (*_, name) in zip(weights, starts, asked, strict=True)
    ]
    print(f"{100 * np.mean(on_it):.1f} % of the attention is on the foreign name")
    _, first = np.unique(labels, return_index=True)
    said = [LANGUAGES[answers[i]] for i in first]
    for i, answer in zip(first, said, strict=True):
        text, label, name = asked[i]
        correction = "" if answer == LANGUAGES[label] else f", not {LANGUAGES[label]}"
        print(f"{text.replace(name, name.upper())}: {answer}{correction}")
    if arguments.picture:
        draw([asked[i][0] for i in first], said, weights[first], arguments.picture)


if __name__ == "__main__":
    main()
