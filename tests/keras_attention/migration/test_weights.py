"""Weights of a tfa.seq2seq decoder, under its own names, loaded into a decoder of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.migration.weights import load_tfa_weights
from tests.arrays import randomize, to_numpy, uniform
from tests.golden import CASES, Case, decoder_of, mask_of, named_by_tfa, names
from tests.variants import variants

CHECKPOINT = Path(__file__).parents[2] / "data" / "tfa_checkpoint"


def check(decoder: ka.AttentionDecoder, case: Case) -> None:
    outputs, weights = decoder(
        case["inputs"],
        memory=case["memory"],
        memory_mask=mask_of(case),
        initial_state=[case["initial_h"], case["initial_c"]],
        return_attention_scores=True,
    )
    attention = to_numpy(outputs)[..., -case["outputs"].shape[-1] :]
    np.testing.assert_allclose(attention, case["outputs"], atol=1e-5)
    np.testing.assert_allclose(to_numpy(weights), case["alignments"], atol=1e-5)


@variants("style", ["checkpoint", "layer"])
@pytest.mark.parametrize("name", names("decode/"))
def test_a_decoder_gives_the_reference_values(name: str, style: str) -> None:
    case = CASES[name]
    decoder = decoder_of(name, case)
    assert load_tfa_weights(decoder, named_by_tfa(name, case, style)) == {}
    check(decoder, case)


def test_a_checkpoint_that_tensorflow_addons_wrote() -> None:
    tf = pytest.importorskip("tensorflow")
    reader = tf.train.load_checkpoint(str(CHECKPOINT))
    weights = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    name = "decode/bahdanau_normalize_attention-layer"
    decoder = decoder_of(name, CASES[name])
    rest = load_tfa_weights(decoder, weights, partial=True)
    check(decoder, CASES[name])
    assert sorted(rest) == [
        "model/decoder/output_layer/bias",
        "model/decoder/output_layer/kernel",
        "model/embedding/embeddings",
        "model/encoder/cell/bias",
        "model/encoder/cell/kernel",
        "model/encoder/cell/recurrent_kernel",
        "optimizer/decay",
        "optimizer/iter",
        "optimizer/learning_rate",
        "optimizer/momentum",
    ]
    assert rest["model/embedding/embeddings"].shape == (13, 5)


def small(*cells: Any, **options: Any) -> Any:
    """A decoder over 3 input features and a memory of 5, with Bahdanau's attention of 7 units."""
    options = {"attention": ka.BahdanauAttention(7), **options}
    decoder = ka.AttentionDecoder(list(cells) or keras.layers.GRUCell(2), **options)
    decoder.build((None, None, 3), (None, None, 5))
    return decoder


def random_layer(place: str, features: int, units: int, seed: int) -> dict[str, np.ndarray]:
    """The weights of a GRU cell."""
    return {
        f"{place}/kernel": uniform(features, 3 * units, seed=seed),
        f"{place}/recurrent_kernel": uniform(units, 3 * units, seed=seed + 1),
        f"{place}/bias": uniform(2, 3 * units, seed=seed + 2),
    }


def of_small(cell: str = "wrapped/_cell") -> dict[str, np.ndarray]:
    return random_layer(cell, 8, 2, seed=0) | {
        "mine/memory_layer/kernel": uniform(5, 7, seed=3),
        "mine/query_layer/kernel": uniform(2, 7, seed=4),
        "mine/attention_v": uniform(7, seed=5),
    }


def same(variable: Any, array: np.ndarray) -> bool:
    return np.array_equal(to_numpy(variable), array)


def without(weights: Mapping[str, np.ndarray], *left_out: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in weights.items() if name not in left_out}


def test_an_encoder_of_the_same_shape_is_not_taken_for_the_cell() -> None:
    weights = random_layer("encoder/cell", 8, 2, seed=11) | of_small()
    decoder = small()
    assert len(load_tfa_weights(decoder, weights, partial=True)) == 3
    assert same(decoder.cell.kernel, weights["wrapped/_cell/kernel"])


def test_a_cell_under_a_name_of_its_own_is_found_by_its_shapes() -> None:
    weights = random_layer("encoder/cell", 6, 2, seed=11) | of_small("my_decoder_cell")
    decoder = small()
    assert sorted(load_tfa_weights(decoder, weights, partial=True)) == [
        "encoder/cell/bias",
        "encoder/cell/kernel",
        "encoder/cell/recurrent_kernel",
    ]
    assert same(decoder.cell.bias, weights["my_decoder_cell/bias"])


def test_a_layer_under_a_name_of_its_own_within_the_wrapper() -> None:
    decoder = small(attention_layer=keras.layers.Dense(11, activation="tanh"))
    weights = of_small("attention_wrapper/gru_cell")
    weights["attention_wrapper/gru_cell/kernel"] = uniform(14, 6, seed=9)
    kernel, bias = uniform(7, 11, seed=7), uniform(11, seed=8)
    weights |= {"attention_wrapper/dense/kernel": kernel, "attention_wrapper/dense/bias": bias}
    assert load_tfa_weights(decoder, weights) == {}
    assert same(decoder.attention_layer.kernel, kernel)
    assert same(decoder.attention_layer.bias, bias)


def test_a_memory_that_was_given_to_the_constructor_leaves_two_kernels() -> None:
    weights = without(of_small(), "mine/memory_layer/kernel", "mine/query_layer/kernel")
    memory, query = uniform(5, 7, seed=3), uniform(2, 7, seed=4)
    weights |= {"BahdanauAttention/kernel:0": memory}
    weights |= {"attention_wrapper_9/BahdanauAttention/kernel:0": query}
    decoder = small()
    assert load_tfa_weights(decoder, weights) == {}
    assert same(decoder.attention.key_kernel, memory)
    assert same(decoder.attention.query_kernel, query)


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ([f"_cell/cells/{i}" for i in range(4)], (2, 1, 0, 3)),  # a checkpoint's keys have no order
        ([f"attention_wrapper/stack/gru{i}" for i in ("", "_7", "_10", "x")], (0, 1, 2, 3)),
    ],
)
def test_cells_of_one_shape_are_told_apart_by_their_numbers(places: list, order: tuple) -> None:
    cells = [keras.layers.GRUCell(units) for units in (3, 3, 3, 2)]
    stacks = [
        random_layer(places[0], 8, 3, seed=10),
        random_layer(places[1], 3, 3, seed=20),
        random_layer(places[2], 3, 3, seed=30),
        random_layer(places[3], 3, 2, seed=40),
    ]
    weights = without(of_small(), *random_layer("wrapped/_cell", 1, 1, seed=0))
    for i in order:
        weights |= stacks[i]
    decoder = small(*cells)
    assert load_tfa_weights(decoder, weights) == {}
    for cell, place, stack in zip(cells, places, stacks, strict=True):
        assert same(cell.kernel, stack[f"{place}/kernel"])
        assert same(cell.recurrent_kernel, stack[f"{place}/recurrent_kernel"])


@pytest.mark.parametrize("names", [("first", "second"), ("gru_cell_1", "gru_cell")])
def test_cells_whose_order_is_not_clear_are_refused(names: tuple) -> None:
    cells = [keras.layers.GRUCell(units) for units in (2, 2, 2)]
    weights = of_small()
    for i, place in enumerate(names):
        weights |= random_layer(f"_cell/{place}", 2, 2, seed=20 + i)
    with pytest.raises(ValueError, match=r"(?s)cell 1 .* could be any of .*cell 2 .* could be"):
        load_tfa_weights(small(*cells), weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: without(w, "mine/attention_v"),
            r"attention.v \{'v': \(7,\)\} is missing: expected a name ending in 'attention_v'",
        ),
        (
            lambda w: without(w, "mine/query_layer/kernel") | {"attn/kernel": np.ones((2, 7))},
            r"attention.query_kernel .* is missing: .* rename .* one of \['attn/kernel'\]",
        ),
        (
            lambda w: without(w, "wrapped/_cell/bias"),
            r"cell 0 .* is missing: expected names ending in '_cell/kernel'",
        ),
        (
            lambda w: w | {"mine/attention_v": np.ones(6)},
            r"attention.v \{'v': \(7,\)\} has other shapes than \[\{'mine/attention_v': \(6,\)\}\]",
        ),
        (
            lambda w: w | {"wrapped/_cell/peephole": np.ones(2)},
            r"cell 0 .* is missing",
        ),
        (
            lambda w: w | {"theirs/attention_v": np.ones(7)},
            r"attention.v .* could be any of .*mine/attention_v.*theirs/attention_v",
        ),
        (
            lambda w: w | {"mine/attention_g": np.ones(())},
            r"no weight matches 'mine/attention_g', \(\)\n- partial=True allows unused arrays",
        ),
        (
            lambda w: w | {"mine/attention_v:0": np.ones(7)},
            r"must name each weight once. Received: 'mine/attention_v' twice",
        ),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_loaded(change: Any, message: str) -> None:
    decoder = small()
    randomize(decoder, seed=3)
    before = decoder.get_weights()
    with pytest.raises(ValueError, match=rf"(?s)Argument `weights`.*{message}.*"):
        load_tfa_weights(decoder, change(of_small()))
    for now, then in zip(decoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_was_refused_loads_under_another_name() -> None:
    decoder = small(attention_layer=keras.layers.Dense(2, use_bias=False))
    weights = of_small() | {"combine/kernel": uniform(7, 2, seed=7)}
    weights["wrapped/_cell/kernel"] = uniform(5, 6, seed=9)
    with pytest.raises(ValueError, match=r"attention_layer .* one of \['combine/kernel'\]"):
        load_tfa_weights(decoder, weights)
    weights["attention_layer/kernel"] = weights.pop("combine/kernel")
    assert load_tfa_weights(decoder, weights) == {}
    assert same(decoder.attention_layer.kernel, weights["attention_layer/kernel"])


def test_one_array_is_never_taken_for_two_weights() -> None:
    decoder = small(keras.layers.GRUCell(5))  # query and memory have the same size
    weights = random_layer("wrapped/_cell", 8, 5, seed=0) | {
        "BahdanauAttention/kernel": uniform(5, 7, seed=3),
        "BahdanauAttention/attention_v": uniform(7, seed=5),
    }
    with pytest.raises(ValueError, match="'BahdanauAttention/kernel' matches more than one"):
        load_tfa_weights(decoder, weights, partial=True)


def test_a_decoder_without_attention_takes_the_cell_alone() -> None:
    decoder: Any = ka.AttentionDecoder(keras.layers.GRUCell(2), None)
    decoder.build((None, None, 3))
    weights = random_layer("decoder/cell", 3, 2, seed=0)
    assert load_tfa_weights(decoder, weights) == {}
    assert same(decoder.cell.kernel, weights["decoder/cell/kernel"])


def test_a_decoder_that_is_not_like_tensorflow_addons_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must query as .*Received: query='previous'"):
        load_tfa_weights(small(query="previous"), of_small())
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(2), ka.BahdanauAttention(7))
    with pytest.raises(ValueError, match="Argument `decoder` must be built"):
        load_tfa_weights(decoder, of_small())
