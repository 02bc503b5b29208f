"""Restore a text from two damaged copies, with attention to both (several memories).

Each letter is left in at least one copy. Some copies also have a blot where there was no letter, so
positions in the two copies may differ: `ka.attention.MultiSource` attends to each copy separately.

    python -m examples.two_copies --picture two-copies.png
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_attention as ka

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PADDING, START, END, LOST = 0, 1, 2, 3
SYMBOLS = ["", "", "■", "?", *LETTERS]
LONGEST = 10
Tensors = list[Any]


def damaged(text: str, random_: random.Random) -> tuple[str, str]:
    """Return two copies of a text: each lost a quarter of the letters, half have an extra blot."""
    lost_by = [random_.choice((0, 1, None, None)) for _ in text]
    copies = []
    for copy in range(2):
        letters = ["?" if by == copy else letter for letter, by in zip(text, lost_by, strict=True)]
        if random_.random() < 0.5:
            letters.insert(random_.randrange(len(letters) + 1), "?")
        copies.append("".join(letters))
    return copies[0], copies[1]


def texts_with_copies(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Draw random texts of 4 to 8 letters, with two copies of each."""
    random_ = random.Random(seed)
    texts = ["".join(random_.choices(LETTERS, k=random_.randint(4, 8))) for _ in range(count)]
    return [(text, *damaged(text, random_)) for text in texts]


def encoded(texts: list[str]) -> np.ndarray:
    """Return ids (B, LONGEST), with end tokens, padded with 0."""
    ids = np.zeros((len(texts), LONGEST), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text) + 1] = [*(SYMBOLS.index(symbol) for symbol in text), END]
    return ids


class Restorer:
    """The model: trained as a functional Keras model, searched step by step."""

    def __init__(self, units: int) -> None:
        self.embedding = keras.layers.Embedding(len(SYMBOLS), 32, mask_zero=True)
        self.encoders = [ka.BiLSTMEncoder(units // 2) for _ in range(2)]
        self.bridge = keras.layers.Dense(units, activation="tanh")
        self.decoder = ka.AttentionDecoder(
            keras.layers.GRUCell(units),
            ka.attention.MultiSource([ka.BahdanauAttention(units), ka.BahdanauAttention(units)]),
            query="previous",
        )
        self.logits = keras.layers.Dense(len(SYMBOLS))
        copies = [keras.Input((None,), dtype="int32", name=name) for name in ("first", "second")]
        target = keras.Input((None,), dtype="int32", name="target")
        memories, state = self.read(copies)
        outputs = self.decoder(self.embedding(target), memory=memories, initial_state=state)
        self.model = keras.Model([*copies, target], self.logits(outputs))

    def read(self, copies: Tensors) -> tuple[Tensors, Tensors]:
        """Return the encodings of the copies, and the initial state of the decoder."""
        read = [
            encoder(self.embedding(copy))
            for encoder, copy in zip(self.encoders, copies, strict=True)
        ]
        last = ops.concatenate([state for _, *states in read for state in states[::2]], axis=-1)
        return [encoding for encoding, *_ in read], [self.bridge(last)]

    def restore(self, first: np.ndarray, second: np.ndarray) -> ka.decoding.Hypotheses:
        """Return the texts found, with the weights on both copies, concatenated."""
        copies = [ops.convert_to_tensor(first), ops.convert_to_tensor(second)]
        memories, state = self.read(copies)
        memory = self.decoder.prepare(memories, [ops.not_equal(copy, PADDING) for copy in copies])

        def step(tokens: Any, state: Tensors) -> tuple[Any, Any, Tensors]:
            output, weights, state = self.decoder.step(self.embedding(tokens), state, memory)
            return ops.log_softmax(self.logits(output)), weights, state

        return ka.decoding.greedy_search(
            step,
            self.decoder.initial_state(memory, state),
            ops.full((len(first),), START, dtype="int32"),
            end_id=END,
            max_length=LONGEST,
            attention_length=first.shape[1] + second.shape[1],
        )


def train(restorer: Restorer, count: int, epochs: int) -> None:
    """Train the model on random texts."""
    text, first, second = (encoded(list(x)) for x in zip(*texts_with_copies(count, 1), strict=True))
    given = np.pad(text[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    rate = keras.optimizers.schedules.CosineDecay(0.004, epochs * count // 64 + 1)
    restorer.model.compile(
        keras.optimizers.Adam(rate, clipnorm=1.0), ka.losses.MaskedCrossEntropy()
    )
    restorer.model.fit([first, second, given], text, batch_size=64, epochs=epochs, verbose=2)


def draw(copies: tuple[str, str], text: str, weights: np.ndarray, path: Path) -> None:
    """Draw the attention of each letter: one map per copy."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3), sharey=True, layout="constrained")
    for axis, copy, of_copy in zip(axes, copies, np.split(weights, 2, axis=-1), strict=True):
        axis.imshow(of_copy[: len(text) + 1, : len(copy) + 1], cmap="Blues", vmin=0.0, vmax=1.0)
        axis.set_xticks(range(len(copy) + 1), [*copy, "■"])
        axis.set_yticks(range(len(text) + 1), [*text, "■"])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model, restore unseen texts, and draw one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=100_000, help="training texts")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--units", type=int, default=64, help="units of the decoder")
    parser.add_argument("--picture", type=Path, help="draw the attention for one of them")
    arguments = parser.parse_args(argv)
    keras.utils.set_random_seed(1)
    restorer = Restorer(arguments.units)
    train(restorer, arguments.texts, arguments.epochs)

    unseen = texts_with_copies(500, seed=2)
    first, second = (encoded([one[i] for one in unseen]) for i in (1, 2))
    found = restorer.restore(first, second)
    texts = [
        "".join(SYMBOLS[token] for token in ids if token > LOST)
        for ids in ops.convert_to_numpy(found.ids[:, 0])
    ]
    right = [text == one[0] for text, one in zip(texts, unseen, strict=True)]
    for (text, *copies), its in list(zip(unseen, texts, strict=True))[:8]:
        print(f"{copies[0]:10} {copies[1]:10} -> {its:10} {'' if its == text else text}")
    print(f"{100 * np.mean(right):.1f} % of {len(right)} texts restored")
    if arguments.picture and found.attention is not None:
        differ = [i for i, one in enumerate(unseen) if len(one[1]) != len(one[2])]
        place = max(differ, key=lambda i: right[i])
        weights = ops.convert_to_numpy(found.attention[place, 0])
        draw(unseen[place][1:], texts[place], weights, arguments.picture)


if __name__ == "__main__":
    main()
