"""Choose what the configuration of a training leaves open, `auto`: batches, precision, compiler."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from keras_attention.advice import advise
from training.fitting.batches import PassStatistics
from training.recipes.config import AUTO, OptimizationConfig

_SHAPES = 12
"""XLA compiles each shape for seconds; with more of them, there is hardly less padding."""

_MULTIPLE = 4  # if any number of shapes is allowed


class Chosen(NamedTuple):
    """A configuration without `auto`.

    Attributes:
        training: The configuration.
        reasons: What was chosen and why, a line for each.
    """

    training: OptimizationConfig
    reasons: list[str]


def with_batches_chosen(training: OptimizationConfig) -> OptimizationConfig:
    """Choose how batches are padded: to few shapes, unless the configuration says otherwise."""
    multiple, shapes = training.pad_to_multiple, training.max_shapes
    if shapes == AUTO:
        shapes = _SHAPES if multiple == AUTO else None
    if multiple == AUTO:
        multiple = _MULTIPLE if shapes is None else 1
    return dataclasses.replace(training, pad_to_multiple=multiple, max_shapes=shapes)


def with_speed_chosen(
    training: OptimizationConfig, units: int, a_pass: PassStatistics, devices: int
) -> Chosen:
    """Choose precision and compiler; see `keras_attention.advice`.

    Args:
        training: The configuration.
        units: The size of the decoder's state.
        a_pass: The statistics of a pass.
        devices: The number of devices that share a batch.
    """
    dtype, jit_compile = (_given(value) for value in (training.dtype, training.jit_compile))
    if dtype is not None and jit_compile is not None:
        return Chosen(training, [])
    advice = advise(
        units=units,
        tokens=max(1, round(a_pass.positions / a_pass.batches / 2)),
        steps=training.steps,
        shapes=a_pass.shapes,
        devices=devices,
        dtype=dtype,
        jit_compile=jit_compile,
    )
    chosen: dict[str, Any] = {"dtype": advice.dtype, "jit_compile": advice.jit_compile}
    reasons = [
        f"training.{name}={str(value).lower()}: {reason}."
        for (name, value), reason in zip(chosen.items(), advice.reasons, strict=True)
        if getattr(training, name) == AUTO
    ]
    return Chosen(dataclasses.replace(training, **chosen), reasons)


def kept(asked: OptimizationConfig, begun: OptimizationConfig) -> OptimizationConfig:
    """Replace what is `auto` in the requested configuration by what a run was begun with."""
    open_ = [name for name, value in vars(asked).items() if value == AUTO]
    return dataclasses.replace(asked, **{name: getattr(begun, name) for name in open_})


def _given(value: Any) -> Any:
    return None if value == AUTO else value
