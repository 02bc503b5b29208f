from __future__ import annotations

from typing import Any

import keras
import pytest

import keras_attention as ka
from keras_attention import advice

SIZES = {"units": 512, "tokens": 1000, "steps": 10_000}


def advised(monkeypatch: pytest.MonkeyPatch, **options: Any) -> ka.advice.Advice:
    """The advice on a device whose products take these milliseconds, on TensorFlow."""
    milliseconds = options.pop("milliseconds")
    monkeypatch.setattr(keras.backend, "backend", options.pop("backend", lambda: "tensorflow"))

    def timed(ways: list[Any], units: int, tokens: int) -> dict[Any, float]:
        assert (units, tokens) == (512, 1000)
        return {way: 1e-3 * milliseconds[way.dtype, way.with_xla] for way in ways}

    monkeypatch.setattr(advice, "_product_seconds", timed)
    return ka.advice.advise(**{**SIZES, **options})


FULL, FULL_XLA, HALF, HALF_XLA = (
    (dtype, with_xla) for dtype in ("float32", "bfloat16") for with_xla in (False, True)
)
# A processor with bfloat16 instructions, which XLA does not use; one without; a GPU.
NEW = {FULL: 20.0, FULL_XLA: 19.0, HALF: 9.0, HALF_XLA: 18.0}
OLD = {FULL: 20.0, FULL_XLA: 21.0, HALF: 35.0, HALF_XLA: 50.0}
GPU = {FULL: 0.2, FULL_XLA: 0.2, HALF: 0.1, HALF_XLA: 0.1}


@pytest.mark.parametrize(
    ("milliseconds", "options", "dtype", "jit_compile"),
    [
        (NEW, {}, "mixed_bfloat16", False),
        (OLD, {}, "float32", True),
        (OLD, {"devices": 2}, "float32", False),
        (OLD, {"steps": 1000, "shapes": 50}, "float32", False),  # 400 s to save 60 s
        (OLD, {"steps": 1000, "shapes": 5}, "float32", True),  # 40 s to save 60 s
        (GPU, {"steps": 100_000}, "mixed_bfloat16", True),  # 8 s to save 30 s
        (GPU, {}, "mixed_bfloat16", False),
        (NEW, {"dtype": "float32"}, "float32", True),
        (NEW, {"jit_compile": True}, "float32", True),  # XLA's products are equally fast
        (OLD, {"dtype": "mixed_bfloat16", "jit_compile": False}, "mixed_bfloat16", False),
        ({**NEW, HALF: 12.6}, {}, "float32", True),  # 1.59 times as fast
        ({**NEW, HALF: 12.4}, {}, "mixed_bfloat16", True),  # 1.61 times
    ],
)
def test_advice_typed_out(
    milliseconds: dict[Any, float],
    options: dict[str, Any],
    dtype: str,
    jit_compile: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = advised(monkeypatch, milliseconds=milliseconds, **options)
    assert (found.dtype, found.jit_compile) == (dtype, jit_compile)
    for name, reason in zip(("dtype", "jit_compile"), found.reasons, strict=True):
        assert (reason == "given") is (name in options)


def test_reasons_have_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    found = advised(monkeypatch, milliseconds=NEW)
    assert found.reasons == (
        "a product takes 20 ms in float32 and 9 ms in bfloat16",
        "XLA's product takes 2.0 times as long",
    )
    found = advised(monkeypatch, milliseconds=OLD, shapes=12)
    assert found.reasons == (
        "a product takes 20 ms in float32 and 35 ms in bfloat16; "
        "that must be 1.6 times as fast to be worth it",
        "compiling the batch shapes takes about 96 s, and saves about 600 s",
    )
    found = advised(monkeypatch, milliseconds=OLD, devices=2)
    assert found.reasons[1] == "there are 2 devices"


@pytest.mark.parametrize(("backend", "jit_compile"), [("jax", True), ("torch", False)])
def test_other_backends_have_one_way(
    backend: str, jit_compile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = advised(monkeypatch, milliseconds=NEW, backend=lambda: backend)
    assert found.jit_compile is jit_compile


def test_products_of_this_device() -> None:
    """Whatever is faster here, a training takes what is advised."""
    found = ka.advice.advise(units=8, tokens=16, steps=10)
    assert found.dtype in ("float32", "mixed_bfloat16")
    assert found.jit_compile is (keras.backend.backend() == "jax")
    given = ka.advice.advise(units=8, tokens=16, steps=10, dtype="float32", jit_compile=False)
    assert given == ka.advice.Advice("float32", False, ("given", "given"))


@pytest.mark.parametrize("name", ["units", "tokens", "steps", "shapes", "devices"])
def test_numbers_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"Argument `{name}` must be .*Received: {name}=0"):
        ka.advice.advise(**{**SIZES, name: 0})
