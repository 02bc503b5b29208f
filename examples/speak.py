"""A miniature speech synthesizer: from letters to the frames of a spectrogram, until it stops.

The spectrogram is artificial: each letter has its own sound over eight bands, which swells and
fades, and its own length, which doubles at the end of a word. The model has to learn all that a
synthesizer does: when to move on to the next letter (monotonic attention), what to say given its
own previous frames (more and more of which are fed back in training), and when to stop.

    python -m examples.speak --picture speak.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

import keras_attention as ka

LETTERS = "abcdefghijklmnopqrstuvwxyz"
BANDS, LONGEST = 8, 45
SOUNDS = np.random.default_rng(1).uniform(0.0, 1.0, (len(LETTERS), BANDS)).astype("float32")
Arrays = tuple[np.ndarray, np.ndarray]


def frames_of(word: str) -> np.ndarray:
    """Return the frames of a word, (T, BANDS + 1): bands, and a stop signal in the last frame."""
    frames = []
    for place, letter in enumerate(word):
        number = LETTERS.index(letter)
        length = (2 + number % 4) * (2 if place == len(word) - 1 else 1)
        swell = np.sin(np.pi * (np.arange(length) + 0.5) / length)[:, None]
        frames.append(SOUNDS[number] * swell)
    said = np.pad(np.concatenate(frames), ((0, 0), (0, 1)))
    said[-1, -1] = 1.0
    return said.astype("float32")


def words(count: int, seed: int) -> list[str]:
    """Draw words of 3 to 8 letters."""
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(LETTERS), rng.integers(3, 9))) for _ in range(count)]


def encoded(texts: Sequence[str]) -> np.ndarray:
    """Return ids (B, 8) from 1, padded with 0."""
    ids = np.zeros((len(texts), 8), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = [1 + LETTERS.index(letter) for letter in text]
    return ids


def spoken(texts: Sequence[str]) -> Arrays:
    """Return the frames of words, (B, LONGEST, BANDS + 1), and their mask, (B, LONGEST)."""
    frames = np.zeros((len(texts), LONGEST, BANDS + 1), "float32")
    is_said = np.zeros((len(texts), LONGEST), "float32")
    for i, text in enumerate(texts):
        its = frames_of(text)
        frames[i, : len(its)], is_said[i, : len(its)] = its, 1.0
    return frames, is_said


class Speaker:
    """The model: trained as a functional Keras model, run frame by frame."""

    def __init__(self, units: int, steps: int) -> None:
        self.embedding = keras.layers.Embedding(1 + len(LETTERS), units // 2, mask_zero=True)
        self.encoder = ka.BiLSTMEncoder(units // 2)
        self.decoder = ka.AttentionDecoder(
            keras.layers.LSTMCell(units),
            ka.BahdanauAttention(units, alignment=ka.alignments.Monotonic(noise=1.0)),
            query="previous",
            attention_layer=keras.layers.Dense(BANDS + 1),
        )
        letters = keras.Input((None,), dtype="int32", name="letters")
        before = keras.Input((None, BANDS + 1), name="before")
        halved = ka.recurrent.ScheduledOutputs(
            ka.schedules.Linear(c=0.5 / steps, minimum=0.5), seed=1
        )
        memory, *_ = self.encoder(self.embedding(letters))
        said = self.decoder(before, memory=memory, reads_output=halved(before))
        self.model = keras.Model([letters, before], said)

    def train(self, texts: Sequence[str], epochs: int) -> None:
        """Train the model to predict each frame from the previous ones."""
        frames, is_said = spoken(texts)
        before = np.pad(frames[:, :-1], ((0, 0), (1, 0), (0, 0)))
        rate = keras.optimizers.schedules.CosineDecay(0.003, epochs * len(texts) // 64 + 1)
        self.model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
        self.model.fit(
            [encoded(texts), before], frames, 64, epochs, verbose=2, sample_weight=is_said
        )

    def say(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Generate frames (B, LONGEST, BANDS + 1) and return them with weights (B, LONGEST, 8)."""
        ids = ops.convert_to_tensor(encoded(texts))
        encoding, *_ = self.encoder(self.embedding(ids))
        memory = self.decoder.prepare(encoding, ops.not_equal(ids, 0))
        state = self.decoder.initial_state(memory)
        frame = ops.zeros((len(texts), BANDS + 1))
        frames, looked = [], []
        for _ in range(LONGEST):
            frame, weights, state = self.decoder.step(frame, state, memory)
            frames.append(ops.convert_to_numpy(frame))
            looked.append(ops.convert_to_numpy(weights))
        return np.stack(frames, 1), np.stack(looked, 1)


def stops(frames: np.ndarray) -> np.ndarray:
    """Return the number of frames up to the stop signal, (B,); LONGEST if there is none."""
    says_stop = np.pad(frames[:, :-1, -1] > 0.5, ((0, 0), (0, 1)), constant_values=True)
    return says_stop.argmax(1) + 1


def draw(word: str, true: np.ndarray, said: np.ndarray, weights: np.ndarray, path: Path) -> None:
    """Draw the attention, the generated frames and the true frames."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(6, 5), layout="constrained", sharex=True)
    shown = {"attention": weights[: len(said), : len(word)], "said": said, "meant": true}
    for axis, (title, its) in zip(axes, shown.items(), strict=True):
        colours = "Blues" if title == "attention" else "magma"
        axis.imshow(its.T, cmap=colours, vmin=0.0, vmax=1.0, aspect="auto", origin="lower")
        axis.set_ylabel(title)
    axes[0].set_yticks(range(len(word)), [*word])
    for axis in axes[1:]:
        axis.set_yticks([0, BANDS - 1, BANDS], ["band 1", f"band {BANDS}", "stop"])
    axes[2].set_xlabel("frames")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model, say unseen words, and draw one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--words", type=int, default=4_000, help="training words")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--picture", type=Path, help="draw one of them")
    arguments = parser.parse_args(argv)
    keras.utils.set_random_seed(1)
    unseen = words(200, seed=2)
    seen = [word for word in words(arguments.words, seed=1) if word not in unseen]
    speaker = Speaker(arguments.units, steps=arguments.epochs * len(seen) // 64 + 1)
    speaker.train(seen, arguments.epochs)

    (true, is_said), (said, weights) = spoken(unseen), speaker.say(unseen)
    lengths, ends = is_said.sum(1).astype(int), stops(said)
    for word, length, end in list(zip(unseen, lengths, ends, strict=True))[:8]:
        print(f"{word:8} {length:3} frames, said {end}")
    error = np.abs(said - true)[..., :BANDS].mean(-1)[is_said > 0].mean()
    spread = np.abs(true - true[is_said > 0].mean(0))[..., :BANDS].mean(-1)[is_said > 0].mean()
    print(f"mean absolute error per band {error:.3f} (for the mean frame {spread:.3f})")
    print(
        f"{100 * np.mean(lengths == ends):.1f} % of {len(unseen)} unseen words stop where they end"
    )
    if arguments.picture:
        place = max(range(len(unseen)), key=lambda i: (lengths[i] == ends[i], len(unseen[i])))
        true_one, said_one = true[place, : lengths[place]], said[place, : ends[place]]
        draw(unseen[place], true_one, said_one, weights[place], arguments.picture)


if __name__ == "__main__":
    main()
