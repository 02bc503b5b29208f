"""Scores that depend on past attention, several heads, and user-defined scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, T, S, D, E, U = 2, 3, 7, 5, 11, 13
LENGTHS = [7, 4]
SCORES: dict[str, Callable[..., Any]] = {
    "bahdanau": lambda **options: ka.BahdanauAttention(U, **options),
    "concat": lambda **options: ka.LuongAttention("concat", U, **options),
    "general": lambda **options: ka.LuongAttention("general", **options),
}
PASTS: dict[str, Callable[[], Any]] = {
    "location": lambda: ka.attention.Location(3, 5),
    "even": lambda: ka.attention.Location(2, 4),
    "cumulative": lambda: ka.attention.Location(3, 3, cumulative=True),
    "coverage": lambda: ka.attention.Coverage(),
    "fertility": lambda: ka.attention.Coverage(max_fertility=2.5),
}


def query() -> np.ndarray:
    return uniform(B, T, D, seed=1)


def value() -> np.ndarray:
    return uniform(B, S, E, seed=2)


def attended(layer: Any, length: int = S) -> tuple[np.ndarray, np.ndarray]:
    """Context and weights, with the values truncated to a length."""
    mask = length_mask(LENGTHS, S)[:, :length]
    found = layer(query(), value()[:, :length], value_mask=mask, return_attention_scores=True)
    return to_numpy(found[0]), to_numpy(found[1])


def features(past: Any, weights: list[np.ndarray], keys: np.ndarray) -> np.ndarray:
    """The term added to the projected keys (S, U) after steps with these weights."""
    so_far = np.sum(weights, axis=0) if weights else np.zeros(len(keys))
    if isinstance(past, ka.attention.Location):
        seen = so_far if past.cumulative or not weights else weights[-1]
        kernels = (to_numpy(w).astype("float64") for w in past.weights)
        return reference.location(seen, *kernels)
    if past.max_fertility is not None:
        fertility = reference.sigmoid(keys @ to_numpy(past.fertility_kernel).astype("float64"))
        so_far = so_far / (past.max_fertility * fertility)
    return np.outer(so_far, to_numpy(past.coverage_kernel))


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("score", SCORES)
def test_the_formula(score: str, past: str) -> None:
    layer = SCORES[score](past=PASTS[past]())
    attended(layer)
    randomize(layer, seed=3)
    _, found = attended(layer)
    kernel = to_numpy(layer.key_kernel).astype("float64")
    for row in range(B):
        keys = value()[row].astype("float64")
        so_far: list[np.ndarray] = []
        for step in range(T):
            q = query()[row, step].astype("float64")
            projected = keys @ kernel + features(layer.past, so_far, keys)
            if score == "general":
                scores = projected @ q
            else:
                hidden = np.tanh(q @ to_numpy(layer.query_kernel) + projected)
                scores = hidden @ to_numpy(layer.v)
            so_far.append(reference.softmax(scores, length_mask(LENGTHS, S)[row]))
            np.testing.assert_allclose(found[row, step], so_far[-1], atol=2e-6)


@pytest.mark.parametrize("past", PASTS)
def test_without_its_weights_it_is_plain_attention(past: str) -> None:
    with_past, plain = SCORES["bahdanau"](past=PASTS[past]()), SCORES["bahdanau"]()
    attended(with_past), attended(plain)
    randomize(with_past, seed=3)
    for name in ("query_kernel", "key_kernel", "v"):
        getattr(plain, name).assign(getattr(with_past, name))
    last = with_past.past.weights[0 if past == "fertility" else -1]
    last.assign(np.zeros(last.shape))
    for one, other in zip(attended(with_past), attended(plain), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_location_tells_equal_keys_apart() -> None:
    """Set by hand: a filter that moves the previous weights one position to the right."""
    past = ka.attention.Location(1, 3)
    layer = ka.BahdanauAttention(1, past=past)
    same = np.ones((1, 4, 1), "float32")
    layer(np.zeros((1, 1), "float32"), same)
    layer.query_kernel.assign([[0.0]])
    layer.key_kernel.assign([[0.0]])
    layer.v.assign([50.0])
    past.filters_kernel.assign(np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1))
    past.location_kernel.assign([[1.0]])
    memory = layer.prepare(same)
    state = [np.array([[0.0, 1.0, 0.0, 0.0]], "float32")]
    _, weights, (after,) = layer.step(np.zeros((1, 1), "float32"), memory, state)
    np.testing.assert_allclose(to_numpy(weights)[0], [0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(after)[0], [0, 0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("past", PASTS)
def test_more_padding_changes_nothing(past: str) -> None:
    layer = SCORES["bahdanau"](past=PASTS[past]())
    attended(layer)
    randomize(layer, seed=4)
    mask = length_mask([4, 4], S)
    long = layer(query(), value(), value_mask=mask, return_attention_scores=True)
    short = layer(query(), value()[:, :4], value_mask=mask[:, :4], return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(long[0]), to_numpy(short[0]), atol=1e-6)
    np.testing.assert_allclose(to_numpy(long[1])[..., :4], to_numpy(short[1]), atol=1e-6)
    assert not to_numpy(long[1])[..., 4:].any()


@pytest.mark.parametrize("head_size", [None, 3])
@pytest.mark.parametrize("score", SCORES)
def test_heads_attend_each_for_itself(score: str, head_size: int | None) -> None:
    heads, own = 3, -(-E // 3)
    layer = ka.attention.MultiHead(SCORES[score](), heads, head_size)
    attended(layer)
    randomize(layer, seed=5)
    context, weights = attended(layer)
    assert weights.shape == (B, heads, T, S)
    values = value() @ to_numpy(layer.value_kernel)
    contexts = []
    for h, head in enumerate(layer.heads):
        q, k = query(), value()
        if head_size is not None:
            columns = slice(h * head_size, (h + 1) * head_size)
            q = q @ to_numpy(layer.query_kernel)[:, columns]
            k = k @ to_numpy(layer.key_kernel)[:, columns]
        found = head(
            q,
            values[..., h * own : (h + 1) * own],
            key=k,
            value_mask=length_mask(LENGTHS, S),
            return_attention_scores=True,
        )
        contexts.append(to_numpy(found[0]))
        np.testing.assert_allclose(weights[:, h], to_numpy(found[1]), atol=1e-6)
    joined = np.concatenate(contexts, axis=-1) @ to_numpy(layer.output_kernel)
    np.testing.assert_allclose(context, joined, atol=1e-5)


def test_heads_of_a_step_are_averaged() -> None:
    layer = ka.attention.MultiHead(
        SCORES["bahdanau"](past=ka.attention.Coverage(), alignment=ka.alignments.Monotonic()), 2
    )
    attended(layer)
    randomize(layer, seed=6)
    context, weights = attended(layer)
    memory = layer.prepare(value(), value_mask=length_mask(LENGTHS, S))
    state = layer.initial_state(memory)
    assert len(state) == 4
    for step in range(T):
        found = layer.step(query()[:, step], memory, state)
        np.testing.assert_allclose(to_numpy(found[0]), context[:, step], atol=1e-6)
        np.testing.assert_allclose(to_numpy(found[1]), weights[:, :, step].mean(axis=1), atol=1e-6)
        state = found[2]


def test_heads_do_not_start_equal_and_drop_differently() -> None:
    layer = ka.attention.MultiHead(ka.BahdanauAttention(U, dropout=0.5, seed=7), 2)
    attended(layer)
    first, second = (to_numpy(head.v) for head in layer.heads)
    assert np.abs(first - second).max() > 0.01
    drawn = layer.draw(layer.prepare(value()), T, training=True)
    assert [set(of_head) for of_head in drawn] == [{"dropout"}, {"dropout"}]
    assert np.any(to_numpy(drawn[0]["dropout"]) != to_numpy(drawn[1]["dropout"]))


def test_a_score_of_ones_own() -> None:
    def by_distance(query: Any, key: Any) -> Any:
        apart = ops.expand_dims(query, 2) - ops.expand_dims(key, 1)
        return -ops.sum(ops.square(apart), axis=-1)

    layer = ka.attention.FunctionAttention(by_distance, alignment=ka.alignments.Sparsemax())
    keys = np.array([[[0.0, 0.0], [3.0, 4.0]]], "float32")
    _, weights = layer(np.array([[3.0, 3.9]], "float32"), keys, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(weights), [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ka.attention.Location(0, 3), ValueError, r"`filters` must be a positive integer"),
        (
            lambda: ka.attention.Location(3, 0),
            ValueError,
            r"`kernel_size` must be a positive integer",
        ),
        (
            lambda: ka.attention.Coverage(0.0),
            ValueError,
            r"`max_fertility` must be positive or None. .*=0.0",
        ),
        (
            lambda: ka.LuongAttention("cosine", past=ka.attention.Coverage()),
            ValueError,
            r"`past` must be None for score='cosine', which ignores key lengths",
        ),
        (
            lambda: ka.BahdanauAttention(3, alignment="monotonic"),
            TypeError,
            r"`alignment` must be an instance of Alignment or None.*alignment='monotonic'",
        ),
        (
            lambda: ka.BahdanauAttention(3, past=3),
            TypeError,
            r"`past` must be an instance of Past .*past=3",
        ),
        (
            lambda: ka.attention.MultiHead("dot", 2),
            TypeError,
            r"`attention` must be .*attention='dot'",
        ),
        (
            lambda: ka.attention.MultiHead(ka.LuongAttention(), 0),
            ValueError,
            r"`num_heads` must be",
        ),
        (
            lambda: ka.attention.FunctionAttention(3),
            TypeError,
            r"`function` must be a function .*function=3",
        ),
    ],
)
def test_wrong_arguments(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_a_state_that_is_not_the_layers_is_refused() -> None:
    layer = SCORES["bahdanau"](past=ka.attention.Coverage(), alignment=ka.alignments.Monotonic())
    attended(layer)
    memory = layer.prepare(value())
    with pytest.raises(ValueError, match=r"`state` must hold the 2 tensors .*Received: 0 tensors"):
        layer.step(query()[:, 0], memory)
