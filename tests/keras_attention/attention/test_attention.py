"""BahdanauAttention and LuongAttention: numbers, formulas, properties of any attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, T, S, D, E, F, U = 2, 3, 5, 7, 11, 13, 17
LENGTHS = [5, 3]

LETS, GO, EOS = (-0.76, 0.75), (-0.40, 0.984210526), (0.91, 0.38)

MECHANISMS: dict[str, Callable[..., keras.layers.Layer]] = {
    "bahdanau": lambda **options: ka.BahdanauAttention(U, **options),
    "bahdanau_normalize": lambda **options: ka.BahdanauAttention(U, normalize=True, **options),
    "dot": lambda **options: ka.LuongAttention("dot", **options),
    "scaled_dot": lambda **options: ka.LuongAttention("scaled_dot", **options),
    "cosine": lambda **options: ka.LuongAttention("cosine", **options),
    "cosine_scale": lambda **options: ka.LuongAttention("cosine", scale=True, **options),
    "general": lambda **options: ka.LuongAttention("general", **options),
    "general_scale": lambda **options: ka.LuongAttention("general", scale=True, **options),
    "concat": lambda **options: ka.LuongAttention("concat", units=U, **options),
    "concat_scale": lambda **options: ka.LuongAttention("concat", units=U, scale=True, **options),
}
SAME_SIZE_ONLY = ("dot", "scaled_dot", "cosine", "cosine_scale")


def key_size(mechanism: str) -> int:
    return D if mechanism in SAME_SIZE_ONLY else E


def built(mechanism: str, **options: Any) -> keras.layers.Layer:
    """The layer with random weights, called once."""
    layer = MECHANISMS[mechanism](**options)
    layer(uniform(B, T, D, seed=1), uniform(B, S, key_size(mechanism), seed=2))
    randomize(layer, seed=5)
    return layer


def inputs(mechanism: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query (B, T, D), value (B, S, .) and the mask (B, S)."""
    value = uniform(B, S, key_size(mechanism), seed=4)
    return uniform(B, T, D, seed=3), value, length_mask(LENGTHS, S)


def expected_scores(layer: Any, query: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The scores (S,) of one query by the NumPy formulas, from the layer's named weights."""
    weights = {
        name: to_numpy(getattr(layer, name)).astype("float64")
        for name in ("query_kernel", "key_kernel", "v", "g", "bias")
        if getattr(layer, name, None) is not None
    }
    if isinstance(layer, ka.BahdanauAttention):
        v = weights["v"]
        v = reference.normalized(v, weights["g"]) if layer.normalize else v
        kernels = (weights["query_kernel"], weights["key_kernel"])
        return reference.additive(query, keys, v, *kernels, weights.get("bias", 0.0))
    g = weights["g"] if layer.scale else 1.0
    if layer.score == "general":
        return g * reference.general(query, keys, weights["key_kernel"])
    if layer.score == "concat":
        kernel = np.concatenate([weights["query_kernel"], weights["key_kernel"]])
        return g * reference.concat(query, keys, kernel, weights["v"])
    return g * getattr(reference, layer.score)(query, keys)


@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_lecture(score: str) -> None:
    attention = ka.LuongAttention(score)
    memory = np.array([[LETS, GO]], "float32")
    query = np.array([EOS], "float32")
    context, weights = attention(query, memory, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(weights).round(2), [[0.40, 0.60]])
    # 0.40 * (-0.76, 0.75) + 0.60 * (-0.40, 0.98), with the unrounded shares
    np.testing.assert_allclose(to_numpy(context), [[-0.543, 0.891]], atol=2e-3)


def test_bahdanau_by_hand() -> None:
    attention = ka.BahdanauAttention(2)
    query = np.array([[1.0, 2.0]], "float32")
    memory = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]], "float32")
    attention(query, memory)
    attention.query_kernel.assign([[1.0, 0.0], [0.0, -0.5]])
    attention.key_kernel.assign([[1.0, 0.0], [0.0, 1.0], [-0.5, 0.5]])
    attention.v.assign([1.0, -2.0])
    context, weights = attention(query, memory, return_attention_scores=True)
    # scores tanh(2) - 2 tanh(-1) = 2.487216 and tanh(0) - 2 tanh(1) = -1.523188
    np.testing.assert_allclose(to_numpy(weights), [[0.98219664, 0.01780336]], atol=1e-6)
    expected = [[0.98219664, 0.01780336, 0.03560672]]
    np.testing.assert_allclose(to_numpy(context), expected, atol=1e-6)


def test_bahdanau_normalize_by_hand() -> None:
    attention = ka.BahdanauAttention(2, normalize=True)
    query = np.array([[1.0]], "float32")
    memory = np.array([[[1.0], [3.0]]], "float32")
    attention(query, memory)
    attention.query_kernel.assign([[1.0, 0.0]])
    attention.key_kernel.assign([[0.0, 1.0]])
    attention.v.assign([3.0, 4.0])
    attention.g.assign(2.0)
    attention.bias.assign([-1.0, -2.0])
    weights = attention(query, memory, return_attention_scores=True)[1]
    # g v / |v| = (1.2, 1.6); scores 1.2 tanh(0) + 1.6 tanh(-1) and 1.2 tanh(0) + 1.6 tanh(1)
    np.testing.assert_allclose(to_numpy(weights), [[0.08038694, 0.91961306]], atol=1e-6)


def test_general_by_hand() -> None:
    attention = ka.LuongAttention("general", scale=True)
    query = np.array([[2.0, 1.0]], "float32")
    memory = np.array([[[1.0, 1.0, 1.0], [0.0, 2.0, -1.0]]], "float32")
    attention(query, memory)
    attention.key_kernel.assign([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]])
    attention.g.assign(0.1)
    weights = attention(query, memory, return_attention_scores=True)[1]
    # scores 0.1 * 8 and 0.1 * 3
    np.testing.assert_allclose(to_numpy(weights), [[0.62245933, 0.37754067]], atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_equals_the_numpy_reference(mechanism: str) -> None:
    layer = built(mechanism)
    query, value, mask = inputs(mechanism)
    context, weights = layer(query, value, value_mask=mask, return_attention_scores=True)
    for b, t in np.ndindex(B, T):
        scores = expected_scores(layer, query[b, t], value[b])
        expected_context, expected_weights = reference.attend(scores, value[b], mask[b])
        np.testing.assert_allclose(to_numpy(weights)[b, t], expected_weights, atol=3e-6)
        np.testing.assert_allclose(to_numpy(context)[b, t], expected_context, atol=3e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_weights_sum_to_one_and_padding_gets_exactly_nothing(mechanism: str) -> None:
    query, value, mask = inputs(mechanism)
    weights = built(mechanism)(query, value, value_mask=mask, return_attention_scores=True)[1]
    np.testing.assert_allclose(to_numpy(weights).sum(-1), 1.0, rtol=1e-6)
    assert np.all(to_numpy(weights)[1, :, 3:] == 0.0)
    assert np.all(to_numpy(weights)[1, :, :3] > 0.0)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_more_padding_changes_nothing(mechanism: str) -> None:
    layer = built(mechanism)
    query, value, mask = inputs(mechanism)
    longer = np.concatenate([value, uniform(B, 2, value.shape[-1], seed=8, scale=50.0)], axis=1)
    longer_mask = np.concatenate([mask, np.zeros((B, 2), bool)], axis=1)
    context = layer(query, value, value_mask=mask)
    more = layer(query, longer, value_mask=longer_mask)
    np.testing.assert_allclose(to_numpy(more), to_numpy(context), atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_order_of_the_memory_does_not_matter(mechanism: str) -> None:
    layer = built(mechanism)
    query, value, mask = inputs(mechanism)
    order = [3, 0, 4, 2, 1]
    context, weights = layer(query, value, value_mask=mask, return_attention_scores=True)
    moved, moved_weights = layer(
        query, value[:, order], value_mask=mask[:, order], return_attention_scores=True
    )
    np.testing.assert_allclose(to_numpy(moved), to_numpy(context), atol=1e-6)
    np.testing.assert_allclose(to_numpy(moved_weights), to_numpy(weights)[:, :, order], atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_row_with_nothing_to_attend_gets_a_zero_context(mechanism: str) -> None:
    query, value, _ = inputs(mechanism)
    mask = length_mask([0, 4], S)
    context, weights = built(mechanism)(query, value, value_mask=mask, return_attention_scores=True)
    assert np.all(to_numpy(context)[0] == 0.0)
    assert np.all(to_numpy(weights)[0] == 0.0)
    assert np.all(to_numpy(weights)[1].sum(-1) > 0.99)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_one_state_equals_a_sequence_of_one(mechanism: str) -> None:
    layer = built(mechanism)
    query, value, mask = inputs(mechanism)
    whole, weights = layer(query, value, value_mask=mask, return_attention_scores=True)
    one, one_weights = layer(query[:, 1], value, value_mask=mask, return_attention_scores=True)
    assert one.shape == (B, value.shape[-1])
    assert one_weights.shape == (B, S)
    np.testing.assert_allclose(to_numpy(one), to_numpy(whole)[:, 1], atol=1e-6)
    np.testing.assert_allclose(to_numpy(one_weights), to_numpy(weights)[:, 1], atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_keys_are_scored_and_values_are_summed(mechanism: str) -> None:
    layer = MECHANISMS[mechanism]()
    query, key, mask = inputs(mechanism)
    value = uniform(B, S, F, seed=6)
    layer(query, value, key=key)
    randomize(layer, seed=5)
    context, weights = layer(query, value, key=key, value_mask=mask, return_attention_scores=True)
    assert context.shape == (B, T, F)
    for b, t in np.ndindex(B, T):
        scores = expected_scores(layer, query[b, t], key[b])
        expected_context, expected_weights = reference.attend(scores, value[b], mask[b])
        np.testing.assert_allclose(to_numpy(weights)[b, t], expected_weights, atol=3e-6)
        np.testing.assert_allclose(to_numpy(context)[b, t], expected_context, atol=3e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_step_by_step_equals_the_whole(mechanism: str) -> None:
    layer = built(mechanism)
    query, value, mask = inputs(mechanism)
    context, weights = layer(query, value, value_mask=mask, return_attention_scores=True)
    memory = layer.prepare(value, value_mask=mask)
    state = layer.initial_state(memory)
    for t in range(T):
        one_context, one_weights, state = layer.step(query[:, t], memory, state)
        np.testing.assert_allclose(to_numpy(one_context), to_numpy(context)[:, t], atol=1e-6)
        np.testing.assert_allclose(to_numpy(one_weights), to_numpy(weights)[:, t], atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_prepare_takes_keys_of_their_own(mechanism: str) -> None:
    query, key, mask = inputs(mechanism)
    value = uniform(B, S, F, seed=6)
    layer = MECHANISMS[mechanism]()
    context = layer(query, value, key=key, value_mask=mask)
    memory = layer.prepare(value, key=key, value_mask=mask)
    one = layer.step(query[:, 0], memory, layer.initial_state(memory))[0]
    np.testing.assert_allclose(to_numpy(one), to_numpy(context)[:, 0], atol=1e-6)


@pytest.mark.parametrize("mechanism", ["bahdanau", "general"])
def test_a_place_must_be_allowed_as_value_and_as_key(mechanism: str) -> None:
    query, value, _ = inputs(mechanism)
    masks = {"value_mask": length_mask([4, 5], S), "key_mask": length_mask([5, 3], S)}
    weights = built(mechanism)(query, value, key=value, **masks, return_attention_scores=True)[1]
    np.testing.assert_array_equal(to_numpy(weights)[:, 0] > 0.0, length_mask([4, 3], S))


def test_prepare_before_build_says_so() -> None:
    with pytest.raises(ValueError, match=r"no weights yet.*`build\(query_shape, value_shape\)`"):
        ka.BahdanauAttention(U).prepare(uniform(B, S, D, seed=1))


@pytest.mark.parametrize("mechanism", ["bahdanau", "general"])
def test_masks_of_an_embedding_arrive_by_themselves(mechanism: str) -> None:
    embedding = keras.layers.Embedding(19, D, mask_zero=True)
    layer = MECHANISMS[mechanism]()
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    outputs = layer(embedding(target), embedding(source), return_attention_scores=True)
    model = keras.Model([source, target], list(outputs))
    source_ids = np.array([[3, 4, 5, 6, 7], [8, 9, 10, 0, 0]])
    target_ids = np.array([[11, 12, 13], [14, 15, 0]])
    context, weights = model.predict([source_ids, target_ids], verbose=0)
    assert np.all(weights[1, :, 3:] == 0.0)
    query, value = to_numpy(embedding(target_ids)), to_numpy(embedding(source_ids))
    is_target = target_ids != 0
    expected = layer(query, value, value_mask=source_ids != 0)
    np.testing.assert_allclose(context[is_target], to_numpy(expected)[is_target], atol=1e-6)
    read_as_zeros = layer(np.zeros_like(query), value, value_mask=source_ids != 0)
    np.testing.assert_allclose(context[~is_target], to_numpy(read_as_zeros)[~is_target], atol=1e-6)


def test_dropout_falls_on_the_weights_in_training_only() -> None:
    layer = ka.LuongAttention("dot", dropout=0.5)
    query = uniform(B, T, D, seed=3)
    value = np.tile(np.eye(D, dtype="float32"), (B, 1, 1))  # the context shows the weights
    context, weights = layer(query, value, return_attention_scores=True)
    np.testing.assert_allclose(to_numpy(context), to_numpy(weights), atol=1e-6)
    dropped, returned = layer(query, value, return_attention_scores=True, training=True)
    np.testing.assert_allclose(to_numpy(returned), to_numpy(weights), atol=1e-6)
    ratio = to_numpy(dropped) / to_numpy(weights)
    np.testing.assert_allclose(np.minimum(ratio, abs(ratio - 2.0)), 0.0, atol=1e-5)
    assert 0.1 < np.mean(ratio > 1.0) < 0.9


def test_the_seed_fixes_the_dropout() -> None:
    query, value, _ = inputs("dot")
    layers = [ka.LuongAttention("dot", dropout=0.5, seed=seed) for seed in (3, 3, 4)]
    one, same, other = (to_numpy(layer(query, value, training=True)) for layer in layers)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    ("mechanism", "shapes"),
    [
        ("bahdanau", {"query_kernel": (D, U), "key_kernel": (E, U), "v": (U,)}),
        (
            "bahdanau_normalize",
            {"query_kernel": (D, U), "key_kernel": (E, U), "v": (U,), "g": (), "bias": (U,)},
        ),
        ("dot", {}),
        ("cosine_scale", {"g": ()}),
        ("general", {"key_kernel": (E, D)}),
        ("general_scale", {"key_kernel": (E, D), "g": ()}),
        ("concat", {"query_kernel": (D, U), "key_kernel": (E, U), "v": (U,)}),
    ],
)
def test_weights_have_telling_names(mechanism: str, shapes: dict[str, tuple[int, ...]]) -> None:
    layer = built(mechanism)
    for name, shape in shapes.items():
        assert tuple(getattr(layer, name).shape) == shape
    assert {variable.name for variable in layer.trainable_variables} == set(shapes)


def test_the_learned_scale_starts_at_one() -> None:
    layer = ka.LuongAttention("dot", scale=True)
    layer(uniform(B, T, D, seed=1), uniform(B, S, D, seed=2))
    assert to_numpy(layer.g).item() == 1.0


@pytest.mark.parametrize("mechanism", ["dot", "scaled_dot", "cosine"])
def test_product_scores_refuse_a_memory_of_another_size(mechanism: str) -> None:
    with pytest.raises(
        ValueError, match=rf"same size for score='{mechanism}'.*general.*Received: .*7.*11"
    ):
        MECHANISMS[mechanism]()(uniform(B, T, D, seed=1), uniform(B, S, E, seed=2))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("shape", [(B, S + 1), (B + 1, S), (S,), (B, T, S)])
def test_a_mask_of_another_shape_is_refused(mechanism: str, shape: tuple[int, ...]) -> None:
    query, value, _ = inputs(mechanism)
    with pytest.raises(ValueError, match=r"`value_mask` must (match `value`|have).*Received: "):
        built(mechanism)(query, value, value_mask=np.ones(shape, bool))


@pytest.mark.parametrize("name", ["query_mask", "value_mask", "key_mask"])
def test_a_mask_that_may_be_added_to_scores_is_refused(name: str) -> None:
    """It is 0 where a position counts: read as booleans, it would say the opposite."""
    query, value, _ = inputs("bahdanau")
    size = T if name == "query_mask" else S
    layer, mask = built("bahdanau"), np.zeros((B, size), "float32")
    message = rf"`{name}` must be boolean.*`ops.equal\(mask, 0\)`.*Received: {name} of float32"
    with pytest.raises(ValueError, match=message):
        layer(query, value, **{name: mask})
    with pytest.raises(ValueError, match=message):
        layer(query, value, **{name: keras.Input((size,))})
    layer(query, value, **{name: np.ones((B, size), "int32")})


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_step_takes_what_prepare_returns(mechanism: str) -> None:
    query, value, _ = inputs(mechanism)
    layer = built(mechanism)
    layer(query, value)
    calls: list[Callable[[], Any]] = [
        lambda: layer.initial_state(value),
        lambda: layer.step(query[:, 0], value, [None] * layer.state_count),
        lambda: layer.attend(query, value, [None] * layer.state_count),
    ]
    for call in calls:
        with pytest.raises(
            TypeError, match=r"`memory` must come from `prepare`.*Received: memory="
        ):
            call()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("query_shape", [(B + 1, T, D), (B + 1, D), (1, D)])
def test_a_query_batch_other_than_the_memory_batch_is_refused(
    mechanism: str, query_shape: tuple[int, ...]
) -> None:
    _, value, _ = inputs(mechanism)
    with pytest.raises(ValueError, match=r"`query` must match `value`.*Received: "):
        built(mechanism)(uniform(*query_shape, seed=1), value)


@pytest.mark.parametrize("mechanism", ["bahdanau", "general"])
def test_a_key_of_another_length_is_refused(mechanism: str) -> None:
    query, value, _ = inputs(mechanism)
    with pytest.raises(ValueError, match=r"`key`.*Received: "):
        MECHANISMS[mechanism]()(query, value, key=uniform(B, S + 2, E, seed=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": "manhattan"}, r"`score`.*dot.*concat.*Received: score='?manhattan"),
        ({"score": "concat"}, r"`units`.*positive.*Received: units=None"),
        ({"score": "dot", "units": 5}, r"`units`.*concat.*Received: .*units=5"),
        ({"score": "general", "units": 5}, r"`units`.*concat.*Received: .*units=5"),
        ({"score": "concat", "units": 0}, r"`units`.*positive.*Received: units=0"),
        ({"score": "dot", "dropout": 1.5}, r"`dropout`.*Received: dropout=1.5"),
        ({"score": "dot", "dropout": -0.1}, r"`dropout`.*Received: dropout=-0.1"),
    ],
)
def test_luong_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ka.LuongAttention(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, r"`units`.*positive.*Received: units=0"),
        ({"units": -3}, r"`units`.*positive.*Received: units=-3"),
        ({"units": 5, "dropout": 1.0}, r"`dropout`.*Received: dropout=1.0"),
    ],
)
def test_bahdanau_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ka.BahdanauAttention(**arguments)


@pytest.mark.parametrize("query_shape", [(D,), (B, T, 1, D)])
def test_a_query_of_another_rank_is_refused(query_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`query`.*Received: "):
        ka.BahdanauAttention(U)(uniform(*query_shape, seed=1), uniform(B, S, E, seed=2))
