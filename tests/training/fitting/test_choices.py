from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from keras_attention.advice import Advice
from training.fitting import choices
from training.fitting.batches import PassStatistics
from training.fitting.choices import kept, with_batches_chosen, with_speed_chosen
from training.fitting.pipeline import budget_of
from training.recipes.config import OptimizationConfig

PASS = PassStatistics(
    pairs=900, source_tokens=7000, target_tokens=8000, batches=10, shapes=7, positions=18000
)


@pytest.mark.parametrize(
    ("asked", "multiple", "shapes"),
    [
        ({}, 1, 12),
        ({"max_shapes": 30}, 1, 30),
        ({"max_shapes": None}, 4, None),
        ({"pad_to_multiple": 8}, 8, None),
        ({"pad_to_multiple": 8, "max_shapes": 5}, 8, 5),
    ],
)
def test_few_shapes_unless_something_else_is_asked_for(
    asked: dict[str, Any], multiple: int, shapes: int | None
) -> None:
    chosen = with_batches_chosen(OptimizationConfig(**asked))
    assert (chosen.pad_to_multiple, chosen.max_shapes) == (multiple, shapes)
    assert with_batches_chosen(chosen) == chosen


def test_batches_need_numbers() -> None:
    with pytest.raises(ValueError, match=r"must have numbers .* Received: pad_to_multiple='auto'"):
        budget_of(OptimizationConfig(), Counter({(3, 3): 1}))


def test_what_is_asked_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def advise(**options: Any) -> Advice:
        asked.append(options)
        return Advice("mixed_bfloat16", False, ("it is faster", "it is not"))

    monkeypatch.setattr(choices, "advise", advise)
    training = OptimizationConfig(steps=4000)
    chosen, reasons = with_speed_chosen(training, 64, PASS, 2)
    sizes = {"units": 64, "tokens": 900, "steps": 4000, "shapes": 7, "devices": 2}
    assert asked == [{**sizes, "dtype": None, "jit_compile": None}]
    assert (chosen.dtype, chosen.jit_compile) == ("mixed_bfloat16", False)
    assert reasons == [
        "training.dtype=mixed_bfloat16: it is faster.",
        "training.jit_compile=false: it is not.",
    ]
    given = OptimizationConfig(steps=4000, jit_compile=False)
    _, reasons = with_speed_chosen(given, 64, PASS, 1)
    assert asked[1]["jit_compile"] is False
    assert reasons == ["training.dtype=mixed_bfloat16: it is faster."]
    whole = OptimizationConfig(steps=4000, dtype="float32", jit_compile=True)
    assert with_speed_chosen(whole, 64, PASS, 1) == (whole, [])
    assert len(asked) == 2, "nothing was timed"


def test_a_run_keeps_what_it_was_begun_with() -> None:
    begun = OptimizationConfig(
        seed=1, dtype="float32", jit_compile=True, pad_to_multiple=4, max_shapes=None
    )
    assert kept(OptimizationConfig(seed=1), begun) == begun
    other = kept(OptimizationConfig(seed=2, dtype="mixed_bfloat16"), begun)
    assert (other.seed, other.dtype, other.jit_compile) == (2, "mixed_bfloat16", True)
