"""The reference values of tfa.seq2seq; tests/data/README.md says what they are."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

import keras_attention as ka
from tests.arrays import length_mask

Case = dict[str, np.ndarray]
IN_CHECKPOINT = "/.ATTRIBUTES/VARIABLE_VALUE"
OF_A_CASE = {  # the golden file's name: that of a checkpoint, that of a layer's weight
    "cell_kernel": ("_cell/kernel", "attention_wrapper_3/lstm_cell_3/kernel"),
    "cell_recurrent_kernel": (
        "_cell/recurrent_kernel",
        "attention_wrapper_3/lstm_cell_3/recurrent_kernel",
    ),
    "cell_bias": ("_cell/bias", "attention_wrapper_3/lstm_cell_3/bias"),
    "memory_kernel": ("_attention_mechanisms/0/memory_layer/kernel", "{}/memory_layer/kernel"),
    "query_kernel": (
        "_attention_mechanisms/0/query_layer/kernel",
        "attention_wrapper_3/{}/kernel",
    ),
    "attention_v": ("_attention_mechanisms/0/attention_v", "attention_wrapper_3/{}/attention_v"),
    "attention_g": ("_attention_mechanisms/0/attention_g", "attention_wrapper_3/{}/attention_g"),
    "scale_weight": ("_attention_mechanisms/0/attention_g", "attention_wrapper_3/{}/attention_g"),
    "attention_b": ("_attention_mechanisms/0/attention_b", "attention_wrapper_3/{}/attention_b"),
    "attention_score_bias": (
        "_attention_mechanisms/0/attention_score_bias",
        "attention_wrapper_3/{}/attention_score_bias",
    ),
    "attention_layer_kernel": (
        "_attention_layers/0/kernel",
        "attention_wrapper_3/attention_layer/kernel",
    ),
}


def read_cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    with np.load(Path(__file__).parent / "data" / "tfa_seq2seq.npz") as arrays:
        for key in arrays:
            case, _, name = key.rpartition("/")
            cases.setdefault(case, {})[name] = arrays[key]
    return cases


CASES = read_cases()


def names(start: str, *without: str) -> list[str]:
    return [
        name for name in CASES if name.startswith(start) and not any(w in name for w in without)
    ]


def mask_of(case: Case) -> np.ndarray:
    return length_mask(case["memory_lengths"].tolist(), case["memory"].shape[1])


def named_by_tfa(name: str, case: Case, style: str) -> dict[str, np.ndarray]:
    """A case's weights under the names that TensorFlow Addons 0.23 gave them."""
    known = {there: case[here] for here, there in OF_A_CASE.items() if here in case}
    if style == "checkpoint":
        return {f"model/wrapped/{there}{IN_CHECKPOINT}": w for (there, _), w in known.items()}
    mechanism = "Bahdanau" if "bahdanau" in name else "Luong"
    mechanism += "MonotonicAttention" if "monotonic" in name else "Attention"
    return {f"{there.format(mechanism)}:0": w for (_, there), w in known.items()}


def decoder_of(name: str, case: Case) -> ka.AttentionDecoder:
    """A decoder built like that of a case, with weights of its own."""
    alignment = ka.alignments.Monotonic() if "monotonic" in name else None
    attention: ka.attention.Attention
    if "bahdanau" in name:
        units, normalize = len(case["attention_v"]), "normalize" in name
        attention = ka.BahdanauAttention(units, normalize, alignment=alignment)
    else:
        attention = ka.LuongAttention("general", scale="scale" in name, alignment=alignment)
    layer = None
    if "attention-layer" in name:
        layer = keras.layers.Dense(case["attention_layer_kernel"].shape[1], use_bias=False)
    cell = keras.layers.LSTMCell(case["initial_h"].shape[-1])
    decoder = ka.AttentionDecoder(cell, attention, attention_layer=layer)
    decoder.build(case["inputs"].shape, case["memory"].shape)
    return decoder
