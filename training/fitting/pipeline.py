"""Turn pairs into batches of ids, with tf.data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from training.corpora.pairs import Pair
from training.fitting.batches import WHOLE, Batch, Share, plan_pass, planned
from training.fitting.budget import Budget
from training.recipes.config import OptimizationConfig
from training.shards.parts import EncodedPairs, Lengths, Part, Passes, Tokenizers
from training.shards.rows import Ids

_Arrays = tuple[dict[str, Ids], Ids]


def budget_of(training: OptimizationConfig, lengths: Counter[Lengths]) -> Budget:
    """Return the size and shapes of batches that a configuration has for pairs of these lengths.

    Args:
        training: The configuration.
        lengths: How many pairs have which lengths.

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

    def batches() -> Iterator[_Arrays]:
        current: Part | None = None
        for part, batch in planned(passes, budget, seed, first_step):
            if part is not current:
                current, pairs = part, part.pairs()
            yield _arrays(pairs, share.of(batch), start_id)

    return _dataset(batches)


def validation_batches(
    pairs: Sequence[Pair],
    tokenizers: Tokenizers,
    start_id: int,
    budget: Budget,
) -> tf.data.Dataset:
    """Return a dataset of all pairs, each once, in batches of the same size as in training."""
    encoded = EncodedPairs.of(pairs, tokenizers)
    plan = plan_pass(encoded.lengths(), budget, "validation")

    def batches() -> Iterator[_Arrays]:
        return (_arrays(encoded, batch, start_id) for batch in plan)

    return _dataset(batches).apply(tf.data.experimental.assert_cardinality(len(plan)))


def _arrays(pairs: EncodedPairs, batch: Batch, start_id: int) -> _Arrays:
    return pairs.batch(batch.pairs, *batch.shape, start_id)


def _dataset(batches: Callable[[], Iterator[_Arrays]]) -> tf.data.Dataset:
    ids = tf.TensorSpec((None, None), tf.int32)
    signature = ({"source": ids, "target": ids}, ids)
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(8)
