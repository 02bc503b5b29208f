"""The library reproduces the values of tfa.seq2seq within 1e-5."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.decoding import beam_search
from tests.arrays import to_numpy
from tests.golden import CASES, Case, mask_of, names


def attention_of(name: str, case: Case) -> keras.layers.Layer:
    """The layer of a case, with its weights."""
    attention: Any
    alignment = None
    if "monotonic" in name:
        alignment = ka.alignments.Monotonic(re.findall("mode-([a-z]+)", name)[0])
    if "bahdanau" in name:
        units = case["attention_v"].shape[0]
        normalize = "normalize" in name
        attention = ka.BahdanauAttention(units, normalize=normalize, alignment=alignment)
    else:
        attention = ka.LuongAttention("general", scale="scale" in name, alignment=alignment)
    units = case["query"].shape[-1] if "query" in case else case["initial_h"].shape[-1]
    attention(np.zeros((1, units), "float32"), np.zeros_like(case["memory"][:1]))
    for here, there in (
        ("key_kernel", "memory_kernel"),
        ("query_kernel", "query_kernel"),
        ("v", "attention_v"),
        ("g", "attention_g"),
        ("g", "scale_weight"),
        ("bias", "attention_b"),
    ):
        if there in case:
            getattr(attention, here).assign(case[there])
    if alignment is not None:
        alignment.score_bias.assign(case["attention_score_bias"])
    return attention


def test_the_file_holds_what_the_tests_read() -> None:
    assert len(CASES) == 48
    assert len(names("step/")) == 16
    assert len(names("decode/")) == 16
    assert len(names("beam/", "penalty-0.6", "penalty-1.0")) == 4
    assert len(names("beam/")) == 12
    assert len(names("loss/")) == 4


@pytest.mark.parametrize("name", names("step/"))
def test_step(name: str) -> None:
    case = CASES[name]
    attention = attention_of(name, case)
    memory = attention.prepare(case["memory"], value_mask=mask_of(case))
    state = [case["previous_alignments"]] if "monotonic" in name else []
    context, weights, _ = attention.step(case["query"], memory, state)
    np.testing.assert_allclose(to_numpy(weights), case["alignments"], atol=1e-5)
    np.testing.assert_allclose(to_numpy(context), case["context"], atol=1e-5)


@pytest.mark.parametrize("name", names("decode/"))
def test_decode(name: str) -> None:
    case = CASES[name]
    with_layer = "attention-layer" in name
    layer = None
    if with_layer:
        layer = keras.layers.Dense(case["attention_layer_kernel"].shape[1], use_bias=False)
    cell = keras.layers.LSTMCell(case["initial_h"].shape[-1])
    decoder = ka.AttentionDecoder(cell, attention_of(name, case), attention_layer=layer)
    decoder(case["inputs"], memory=case["memory"])
    cell.set_weights([case["cell_kernel"], case["cell_recurrent_kernel"], case["cell_bias"]])
    if layer is not None:
        layer.set_weights([case["attention_layer_kernel"]])

    outputs, weights, h, c, *_ = decoder(
        case["inputs"],
        memory=case["memory"],
        memory_mask=mask_of(case),
        initial_state=[case["initial_h"], case["initial_c"]],
        return_attention_scores=True,
        return_state=True,
    )
    # without an attention layer the output is concat(cell output, context), tfa's the context
    attention = to_numpy(outputs)[..., -case["outputs"].shape[-1] :]
    np.testing.assert_allclose(attention, case["outputs"], atol=1e-5)
    np.testing.assert_allclose(to_numpy(weights), case["alignments"], atol=1e-5)
    np.testing.assert_allclose(to_numpy(h), case["final_h"], atol=1e-5)
    np.testing.assert_allclose(to_numpy(c), case["final_c"], atol=1e-5)


@pytest.mark.parametrize("name", names("beam/", "penalty-0.6", "penalty-1.0"))
def test_beam_without_length_penalty(name: str) -> None:
    check_beam(CASES[name], length_penalty=0.0)


@pytest.mark.parametrize("name", names("beam/"))
def test_beam_with_the_lengths_of_tfa(name: str) -> None:
    penalty = float(name.rpartition("-")[2])
    check_beam(CASES[name], length_penalty=penalty, imitate_tfa_lengths=True)


def check_beam(case: Case, **options: Any) -> None:
    end_id, max_length = int(case["end_token"]), int(case["max_steps"])

    def step(tokens: Any, state: Any) -> Any:
        return ops.log_softmax(ops.take(case["table"], tokens, axis=0)), None, state

    found = beam_search(
        step,
        {},
        case["start_tokens"],
        end_id=end_id,
        max_length=max_length,
        width=case["scores"].shape[1],
        **options,
    )
    scores = to_numpy(found.scores)
    np.testing.assert_allclose(scores, case["scores"], atol=1e-5)
    for row, place in np.ndindex(scores.shape):
        if np.sum(np.abs(case["scores"][row] - scores[row, place]) < 1e-5) > 1:
            continue  # hypotheses with scores this close may swap
        expected = case["predicted_ids"][row, place].tolist()
        if end_id in expected:
            expected = expected[: expected.index(end_id) + 1]
        length = int(to_numpy(found.lengths)[row, place])
        assert to_numpy(found.ids)[row, place, :length].tolist() == expected


@pytest.mark.parametrize("name", names("loss/"))
def test_loss(name: str) -> None:
    case = CASES[name]
    loss = ka.losses.sequence_loss(
        case["logits"],
        case["targets"],
        case["weights"],
        average_across_timesteps="timesteps-True" in name,
        average_across_batch="batch-True" in name,
    )
    np.testing.assert_allclose(to_numpy(loss), case["loss"], atol=1e-5)
