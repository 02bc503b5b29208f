"""Pairs of text to batches of ids, by tf.data."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import tensorflow as tf

from keras_attention.ids import END_ID
from keras_attention.text import SentencePieceTokenizer
from training.config import OptimizationConfig
from training.corpora import Pair
from training.program import ConfigError

Tokenizers = tuple[SentencePieceTokenizer, SentencePieceTokenizer]
_BATCHES_IN_A_CHUNK = 32


def training_batches(
    pairs: Callable[[int], Iterator[Pair]],
    tokenizers: Tokenizers,
    start_id: int,
    training: OptimizationConfig,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Endless batches `({"source", "target"}, labels)`, epoch after epoch.

    What an epoch holds follows from its number alone: a resumed training sees what it would have
    seen without the interruption.

    Args:
        pairs: Makes an endless iterator of pairs, from a place in their order.
        tokenizers: The source's and the target's.
        start_id: The decoder's first token.
        training: Batch size, steps in an epoch, and the seed of the order of the batches.
        first_epoch: The epoch to begin with.
    """

    def batches() -> Iterator[tuple[list[str], list[str]]]:
        steps, size = training.steps_per_epoch, training.batch_size
        for epoch in itertools.count(first_epoch):
            start = pairs(epoch * steps * size)
            for batch in epoch_batches(start, steps, size, f"{training.seed}:{epoch}"):
                sources, targets = zip(*batch, strict=True)
                yield list(sources), list(targets)

    texts = tf.TensorSpec((None,), tf.string)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=(texts, texts))
    encode = encoder(tokenizers, start_id)
    return dataset.map(encode, num_parallel_calls=2, deterministic=True).prefetch(8)


def epoch_batches(
    pairs: Iterator[Pair], steps: int, batch_size: int, seed: str
) -> Iterator[list[Pair]]:
    """Batches of sources of similar length.

    Pairs are sorted by length within chunks of 32 batches (the last may be smaller), and the
    batches of a chunk shuffled: little padding, and every pair is used once.

    Args:
        pairs: An endless iterator.
        steps: How many batches.
        batch_size: Pairs in a batch.
        seed: Seed of the order of the batches.
    """
    order = random.Random(seed)
    for done in range(0, steps, _BATCHES_IN_A_CHUNK):
        size = batch_size * min(_BATCHES_IN_A_CHUNK, steps - done)
        chunk = sorted(itertools.islice(pairs, size), key=lambda pair: len(pair[0]))
        batches = [chunk[start : start + batch_size] for start in range(0, size, batch_size)]
        order.shuffle(batches)
        yield from batches


def encoder(
    tokenizers: Tokenizers, start_id: int
) -> Callable[[tf.Tensor, tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]:
    """A graph function from texts (B,) to `({"source", "target"}, labels)`, padded with 0.

    The source ends with the end token; the target starts with the start token and the labels end
    with the end token.
    """
    source_tokenizer, target_tokenizer = (tokenizer.graph() for tokenizer in tokenizers)

    def encode(sources: tf.Tensor, targets: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        source, target = source_tokenizer.tokenize(sources), target_tokenizer.tokenize(targets)
        column = tf.ones_like(target[:, :1].to_tensor(shape=(None, 1)))
        labels = tf.concat([target, column * END_ID], axis=1)
        inputs = {
            "source": tf.concat([source, column * END_ID], axis=1).to_tensor(),
            "target": tf.concat([column * start_id, target], axis=1).to_tensor(),
        }
        return inputs, labels.to_tensor()

    return encode


def checked_pairs(
    pairs: Sequence[Pair],
    tokenizers: Tokenizers,
    limits: tuple[int, int],
    on_problem: Literal["error", "drop"] = "error",
) -> list[Pair]:
    """The pairs, if all fit, or those that do.

    Args:
        pairs: Source and target texts.
        tokenizers: The source's and the target's.
        limits: The most source and target tokens, the end token counted.
        on_problem: Whether a pair that does not fit is an error, or dropped with a line that says
            how many were.

    Raises:
        ConfigError: If a side of a pair is empty or too long, or no pair is left.
    """
    misfits: dict[int, str] = {}
    for side, (tokenizer, limit) in enumerate(zip(tokenizers, limits, strict=True)):
        rows = tokenizer.encode([pair[side] for pair in pairs])
        for i, row in enumerate(rows):
            if not 0 < len(row) < limit:
                name = ("source", "target")[side]
                misfits[i] = (
                    f"a {name} must have 1 to {limit - 1} tokens (data.max_{name}_length counts "
                    f"the end token too). Received: {len(row)} tokens, {pairs[i][side]!r}"
                )
    kept = [pair for i, pair in enumerate(pairs) if i not in misfits]
    if misfits:
        message = f"{len(misfits)} of {len(pairs)} pairs do not fit: {next(iter(misfits.values()))}"
        if on_problem == "error" or not kept:
            raise ConfigError(message)
        print(f"Dropped: {message}")
    return kept
