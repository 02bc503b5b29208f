"""Character-level text classifiers that differ in how they pool a sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import keras_attention as ka
from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.translator import pad
from training.corpora.colours import Labelled

Pooling = Literal["attention", "mean", "last"]
POOLINGS: tuple[Pooling, ...] = ("attention", "mean", "last")


@dataclass(frozen=True)
class ClassifierConfig:
    """The sizes and training settings of a classifier.

    Attributes:
        embedding_size: The embedding size of a character.
        encoder_units: The units of each direction of the LSTM.
        attention_units: The units of the hidden layer of attention pooling.
        dropout: The dropout rate of the pooled features.
        epochs: The number of epochs.
        batch_size: The number of texts per batch.
        learning_rate: The initial learning rate; cosine decay to 0 follows.
        seed: The seed for weights, dropout and the order of the batches.
    """

    embedding_size: int = 32
    encoder_units: int = 64
    attention_units: int = 64
    dropout: float = 0.2
    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 4e-3
    seed: int = 1


class Alphabets(NamedTuple):
    """The meaning of the ids.

    Attributes:
        characters: The known characters; their ids follow those of the special tokens.
        labels: The labels; their ids start at 0.
    """

    characters: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, examples: Sequence[Labelled]) -> Alphabets:
        """Collect all characters and labels of examples."""
        characters = sorted({character for text, _ in examples for character in text})
        return cls("".join(characters), tuple(sorted({label for _, label in examples})))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return ids (B, S), padded with 0."""
        known = {character: i for i, character in enumerate(self.characters, UNKNOWN_ID + 1)}
        return pad([[known.get(character, UNKNOWN_ID) for character in text] for text in texts])


def batches(
    examples: Sequence[Labelled], alphabets: Alphabets, size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ids and labels in a random order, with texts of similar length in a batch.

    Args:
        examples: Texts and labels.
        alphabets: The meaning of the ids.
        size: The number of texts per batch.
        rng: The random generator for the order.
    """
    lengths = np.array([len(text) for text, _ in examples])
    order = np.argsort(lengths + rng.uniform(0, 15, len(examples)))  # new batches in each epoch
    starts = range(0, len(order), size)
    for start in rng.permutation(starts):
        texts, labels = zip(*(examples[i] for i in order[start : start + size]), strict=True)
        numbers = [alphabets.labels.index(label) for label in labels]
        yield alphabets.encode(texts), np.array(numbers, "int32")


def classifier(pooling: Pooling, alphabets: Alphabets, config: ClassifierConfig) -> keras.Model:
    """Build a model from ids (B, S) to logits (B, labels) and, with attention, weights (B, S)."""
    ids = keras.Input((None,), dtype="int32")
    size = len(alphabets.characters) + UNKNOWN_ID + 1
    embedded = keras.layers.Embedding(size, config.embedding_size, mask_zero=True)(ids)
    encoded, forward, _, backward, _ = ka.BiLSTMEncoder(config.encoder_units)(embedded)
    results = {}
    if pooling == "attention":
        layer = ka.AttentionPooling(config.attention_units)
        pooled, results["weights"] = layer(encoded, return_attention_scores=True)
    elif pooling == "mean":
        pooled = keras.layers.GlobalAveragePooling1D()(encoded)
    else:
        pooled = keras.layers.Concatenate()([forward, backward])
    dropped = keras.layers.Dropout(config.dropout)(pooled)
    results["logits"] = keras.layers.Dense(len(alphabets.labels))(dropped)
    return keras.Model(ids, results)


def train(
    pooling: Pooling, examples: Sequence[Labelled], alphabets: Alphabets, config: ClassifierConfig
) -> keras.Model:
    """Train a classifier; the result is deterministic.

    Args:
        pooling: The kind of pooling.
        examples: The training examples.
        alphabets: The meaning of the ids.
        config: The sizes and training settings.
    """
    keras.utils.set_random_seed(config.seed)
    model = classifier(pooling, alphabets, config)
    rng = np.random.default_rng(config.seed)
    data = tf.data.Dataset.from_generator(
        lambda: batches(examples, alphabets, config.batch_size, rng),
        output_signature=(tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None,), "int32")),
    )
    steps = math.ceil(len(examples) / config.batch_size)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    learner = keras.Model(model.input, model.output["logits"])
    learner.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    learner.optimizer.build(learner.trainable_variables)  # or the first step is traced twice
    learner.fit(data, epochs=config.epochs, shuffle=False, verbose=0)
    return model


class Answer(NamedTuple):
    """The output of a classifier for a text.

    Attributes:
        label: The most probable label.
        weights: The attention weight of each character, (S,); None without attention.
    """

    label: str
    weights: np.ndarray | None


def classify(model: keras.Model, texts: Sequence[str], alphabets: Alphabets) -> list[Answer]:
    """Classify texts."""
    results = model.predict(alphabets.encode(texts), batch_size=128, verbose=0)
    labels = [alphabets.labels[i] for i in np.argmax(results["logits"], -1)]
    if "weights" not in results:
        return [Answer(label, None) for label in labels]
    weights = [row[: len(text)] for row, text in zip(results["weights"], texts, strict=True)]
    return [Answer(*answer) for answer in zip(labels, weights, strict=True)]
