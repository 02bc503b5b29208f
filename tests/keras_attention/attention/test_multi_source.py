"""Attention to several memories."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, T, D, U = 3, 4, 5, 6
VALUES = [uniform(B, 7, 4, seed=1), uniform(B, 2, 3, seed=2)]
MASKS = [length_mask([7, 3, 1], 7), length_mask([2, 1, 2], 2)]


def two_sources() -> ka.attention.MultiSource:
    return ka.attention.MultiSource([ka.BahdanauAttention(8), ka.LuongAttention("general")])


def decoder_of(attention: Any, query: str = "previous") -> ka.AttentionDecoder:
    return ka.AttentionDecoder(keras.layers.LSTMCell(U), attention, query=query)


def test_each_attention_attends_to_its_own_memory() -> None:
    attention, query = two_sources(), uniform(B, T, D, seed=3)
    context, weights = attention(query, VALUES, value_mask=MASKS, return_attention_scores=True)
    alone = [
        one(query, value, value_mask=mask, return_attention_scores=True)
        for one, value, mask in zip(attention.attentions, VALUES, MASKS, strict=True)
    ]
    contexts, weights_of_each = (
        np.concatenate([to_numpy(x) for x in several], -1) for several in zip(*alone, strict=True)
    )
    np.testing.assert_allclose(to_numpy(context), contexts, atol=1e-6)
    np.testing.assert_allclose(to_numpy(weights), weights_of_each, atol=1e-6)
    sums = np.add.reduceat(to_numpy(weights), [0, 7], axis=-1)
    np.testing.assert_allclose(sums, np.ones((B, T, 2)), atol=1e-6)


@pytest.mark.parametrize("query", ["current", "previous"])
def test_a_decoder_of_one_source_in_a_list_is_that_of_the_source(query: str) -> None:
    inputs = uniform(B, T, D, seed=3)
    plain = decoder_of(ka.BahdanauAttention(8), query)
    expected = plain(inputs, memory=VALUES[0], memory_mask=MASKS[0], return_state=True)
    several = decoder_of(ka.attention.MultiSource([ka.BahdanauAttention(8)]), query)
    several.build(inputs.shape, [VALUES[0].shape])
    several.set_weights(plain.get_weights())
    found = several(inputs, memory=[VALUES[0]], memory_mask=[MASKS[0]], return_state=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6)


def test_steps_are_what_the_call_gives() -> None:
    attention = ka.attention.MultiSource(
        [ka.LuongAttention("general", alignment=ka.alignments.Monotonic()), ka.BahdanauAttention(8)]
    )
    decoder, inputs = decoder_of(attention), uniform(B, T, D, seed=3)
    outputs, weights, *_ = decoder(
        inputs, memory=VALUES, memory_mask=MASKS, return_attention_scores=True, return_state=True
    )
    memory = decoder.prepare(VALUES, MASKS)
    state = decoder.initial_state(memory)
    for t in range(T):
        output, step_weights, state = decoder.step(inputs[:, t], state, memory)
        np.testing.assert_allclose(to_numpy(output), to_numpy(outputs)[:, t], atol=1e-6)
        np.testing.assert_allclose(to_numpy(step_weights), to_numpy(weights)[:, t], atol=1e-6)


def test_masks_come_with_the_memories() -> None:
    embedding = keras.layers.Embedding(9, 4, mask_zero=True)
    ids = [np.where(mask, 5, 0) for mask in MASKS]
    inputs, memories = uniform(B, T, D, seed=3), [embedding(x) for x in ids]
    decoder = decoder_of(two_sources())
    found = decoder(inputs, memory=memories)
    bare = [ops.convert_to_tensor(to_numpy(x)) for x in memories]
    expected = decoder(inputs, memory=bare, memory_mask=MASKS)
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=1e-6)
    assert np.abs(to_numpy(decoder(inputs, memory=bare)) - to_numpy(expected)).max() > 1e-3


@pytest.mark.thorough
def test_a_model_copies_from_both_sources() -> None:
    """The target is a digit known only from one source, then one known only from the other."""
    first, second = (keras.Input((None,), dtype="int32", name=name) for name in ("a", "b"))
    target = keras.Input((2,), dtype="int32", name="target")
    embed = keras.layers.Embedding(10, 16)
    decoder = ka.AttentionDecoder(
        keras.layers.GRUCell(16),
        ka.attention.MultiSource([ka.LuongAttention("general"), ka.LuongAttention("general")]),
    )
    read = [ka.BiLSTMEncoder(8)(embed(x))[0] for x in (first, second)]
    logits = keras.layers.Dense(10)(decoder(embed(target), memory=read))
    model = keras.Model([first, second, target], logits)
    generator = np.random.default_rng(0)
    a, b = generator.integers(2, 10, (2, 512, 3))
    labels = np.stack([a[:, 0], b[:, 0]], axis=1)
    given = np.stack([np.ones(512, "int64"), labels[:, 0]], axis=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    history = model.fit([a, b, given], labels, batch_size=64, epochs=12, verbose=0)
    assert history.history["accuracy"][-1] > 0.99
    randomized = keras.models.clone_model(model)
    randomize(randomized, seed=1)
    randomized.set_weights(model.get_weights())
    np.testing.assert_allclose(
        randomized.predict([a[:8], b[:8], given[:8]], verbose=0),
        model.predict([a[:8], b[:8], given[:8]], verbose=0),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("memory", "masks", "message"),
    [
        (
            VALUES[0],
            None,
            "`memory` must be a list of 2 items, one per attention. .* single",
        ),
        (VALUES[:1], None, "`memory` must be a list of 2 items, one per attention. Received: 1"),
        (VALUES, MASKS[:1], "`memory_mask` must be a list .* Received: 1"),
        (VALUES, MASKS[::-1], "`memory_mask` must match `memory`"),
        ([VALUES[0], VALUES[1][:2]], None, "`memory` must match `inputs`"),
    ],
)
def test_what_does_not_fit_is_named(memory: Any, masks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decoder_of(two_sources())(uniform(B, T, D, seed=3), memory=memory, memory_mask=masks)


def test_several_memories_need_an_attention_for_each() -> None:
    with pytest.raises(ValueError, match="one tensor; `MultiSource` takes several"):
        ka.BahdanauAttention(4)(uniform(B, T, D, seed=3), VALUES)
    with pytest.raises(ValueError, match="one tensor; `MultiSource` takes several"):
        decoder_of(ka.BahdanauAttention(4))(uniform(B, T, D, seed=3), memory=VALUES)
    with pytest.raises(
        TypeError, match="`attentions` must be a non-empty list of attention layers"
    ):
        ka.attention.MultiSource([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"`memory` must be a list .* Received: 1"):
        decoder_of(two_sources()).build((B, T, D), [VALUES[0].shape])
