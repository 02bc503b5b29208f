"""Turn pairs of text into batches of ids, with tf.data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from keras_attention.ids import END_ID
from training.corpora.pairs import Pair
from training.fitting.batches import WHOLE, Batch, Budget, Lengths, Share, plan_pass, planned
from training.fitting.text import Tokenizers, token_lengths
from training.recipes.config import OptimizationConfig

Texts = tuple[list[str], list[str], tuple[int, int, int]]
"""Sources, targets and the shape of their batch."""

Encode = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]


class Passes:
    """The pairs of each pass over the data, and their lengths.

    Args:
        pairs: A deterministic function from the number of a pass to its pairs.
        tokenizers: The source and target tokenizers.
    """

    def __init__(self, pairs: Callable[[int], Sequence[Pair]], tokenizers: Tokenizers) -> None:
        self._make = pairs
        self.tokenizers = tokenizers
        self._number: int | None = None
        self._pairs: Sequence[Pair] = ()
        self._lengths: list[Lengths] = []

    def pairs(self, number: int) -> Sequence[Pair]:
        """Return the pairs of a pass; the last pass requested is cached."""
        if number != self._number:
            pairs = self._make(number)
            if pairs is not self._pairs:  # otherwise the lengths are known
                self._lengths = token_lengths(pairs, self.tokenizers)
            self._number, self._pairs = number, pairs
        return self._pairs

    def lengths(self, number: int) -> list[Lengths]:
        """Return the lengths of these pairs in tokens, including the end token."""
        self.pairs(number)
        return self._lengths


def budget_of(training: OptimizationConfig, lengths: Sequence[Lengths]) -> Budget:
    """Return the size and shapes of batches that a configuration has for pairs of these lengths.

    Raises:
        ValueError: If they have not been chosen; see `training.fitting.choices`.
    """
    multiple, shapes = training.pad_to_multiple, training.max_shapes
    if isinstance(multiple, str) or isinstance(shapes, str):
        raise ValueError(
            "Argument `training` must have numbers for `pad_to_multiple` and `max_shapes`. "
            f"Received: pad_to_multiple={multiple!r}, max_shapes={shapes!r}"
        )
    budget = Budget(training.batch_size, training.batch_tokens, multiple)
    return budget if shapes is None else budget.with_shapes(lengths, shapes)


def training_batches(
    passes: Passes,
    start_id: int,
    budget: Budget,
    seed: int,
    first_step: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Return an endless dataset of batches `({"source", "target"}, labels)`, pass after pass.

    A batch depends on the step number alone, so a resumed training sees the same batches as an
    uninterrupted one.

    Args:
        passes: The pairs.
        start_id: The decoder's first token.
        budget: The size of a batch.
        seed: The seed for the order.
        first_step: The step to start with.
        share: The rows of a batch that this process reads.
    """

    def texts() -> Iterator[Texts]:
        plan = planned(passes.lengths, budget, seed)
        for number, batch in itertools.islice(plan, first_step, None):
            yield _texts(passes.pairs(number), share.of(batch))

    return _encoded(texts, encoder(passes.tokenizers, start_id))


def validation_batches(
    pairs: Sequence[Pair],
    tokenizers: Tokenizers,
    start_id: int,
    budget: Budget,
) -> tf.data.Dataset:
    """Return a dataset of all pairs, each once, in batches of the same size as in training."""
    plan = plan_pass(token_lengths(pairs, tokenizers), budget, "validation")

    def texts() -> Iterator[Texts]:
        return (_texts(pairs, batch) for batch in plan)

    batches = _encoded(texts, encoder(tokenizers, start_id))
    return batches.apply(tf.data.experimental.assert_cardinality(len(plan)))


def _texts(pairs: Sequence[Pair], batch: Batch) -> Texts:
    sources, targets = ([pairs[i][side] for i in batch.pairs] for side in (0, 1))
    rows, widths = batch.shape
    return sources, targets, (rows, *widths)


def _encoded(texts: Callable[[], Iterator[Texts]], encode: Encode) -> tf.data.Dataset:
    strings, shape = tf.TensorSpec((None,), tf.string), tf.TensorSpec((3,), tf.int32)
    dataset = tf.data.Dataset.from_generator(texts, output_signature=(strings, strings, shape))
    return dataset.map(encode, num_parallel_calls=2, deterministic=True).prefetch(8)


def encoder(tokenizers: Tokenizers, start_id: int) -> Encode:
    """Return a graph function from texts (N,), (N,) and a shape (B, S, T) to a batch padded with 0.

    A batch is `({"source", "target"}, labels)`. The source ends with the end token; the target
    starts with the start token, and the labels end with the end token. A text with more tokens than
    its width is an error. If there are fewer texts than rows, rows of padding follow, which affect
    neither loss nor metrics.
    """
    source_tokenizer, target_tokenizer = (tokenizer.graph() for tokenizer in tokenizers)

    def padded(ids: tf.RaggedTensor, rows: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        dense = ids.to_tensor()
        texts, columns = tf.unstack(tf.shape(dense))
        return tf.pad(dense, [[0, rows - texts], [0, width - columns]])

    def encode(
        sources: tf.Tensor, targets: tf.Tensor, shape: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        rows, *widths = tf.unstack(shape)
        source, target = source_tokenizer.tokenize(sources), target_tokenizer.tokenize(targets)
        column = tf.ones_like(sources, tf.int32)[:, tf.newaxis]
        inputs = {
            "source": padded(tf.concat([source, column * END_ID], axis=1), rows, widths[0]),
            "target": padded(tf.concat([column * start_id, target], axis=1), rows, widths[1]),
        }
        return inputs, padded(tf.concat([target, column * END_ID], axis=1), rows, widths[1])

    return encode
