"""Guided alignment as documented: dates, whose digits have known positions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from training.dates import (
    TARGET_CHARACTERS,
    field_alignment,
    field_hits,
    generate,
    source_characters,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "training.md"


def example(**changes: str) -> dict[str, Any]:
    """The namespace after running the documented code with some changes."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.M)
    for old, new in changes.items():
        assert re.search(rf"{old}(=|\": )[\d.]+", code)
        code = re.sub(rf"{old}(=|\": )[\d.]+", rf"{old}\g<1>{new}", code)
    namespace: dict[str, Any] = {}
    exec(compile(code, str(DOCUMENT), "exec"), namespace)
    return namespace


def aligned(left: dict[str, Any]) -> float:
    """The fraction of digits in new dates that look at their field."""
    examples = list(generate("dev", 200, seed=2))
    source = left["encoded"]([one.source for one in examples], source_characters())
    found = left["model"].generate(source, max_length=10)
    hits = digits = 0
    for one, ids, weights in zip(examples, found.ids[:, 0], found.attention[:, 0], strict=True):
        output = "".join(TARGET_CHARACTERS[i - 4] for i in ids if i >= 4)
        counted = field_hits(one.fields, output, weights)
        hits, digits = hits + counted[0], digits + counted[1]
    return hits / digits


def test_field_alignment_by_hand() -> None:
    found = field_alignment("d-m--yy", "50-3-2", order="ymd")
    assert found.tolist() == [
        [0, 0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
    ]


def test_attention_that_is_so_aligned_hits_always() -> None:
    for one in generate("train", 50, seed=3):
        weights = field_alignment(one.fields, one.target)
        hits, digits = field_hits(one.fields, one.target, weights)
        assert hits == digits == 8


@pytest.mark.thorough
def test_the_documented_training_looks_where_it_is_told() -> None:
    """After the same steps without guidance, the model does not yet know where to look."""
    keras.utils.set_random_seed(1)
    guided = aligned(example())
    keras.utils.set_random_seed(1)
    alone = aligned(example(attention="0.0"))
    told = re.search(r"128 steps, (\d+) % of the digits", DOCUMENT.read_text("utf-8"))
    assert told
    assert guided == pytest.approx(int(told[1]) / 100, abs=0.1)
    assert guided > 0.8
    assert alone < guided - 0.3
    assert np.isfinite([guided, alone]).all()
