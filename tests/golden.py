"""The reference values of tfa.seq2seq; tests/data/README.md says what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.arrays import length_mask

Case = dict[str, np.ndarray]


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
