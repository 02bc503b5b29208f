"""A decoder over a whole target: all steps at once, or a loop, which can be trained as well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_attention.attention import AttentionLayer, Memory
from keras_attention.backend import has_own_gradient, scan, trained_scan
from keras_attention.backend.stateless import added_losses, constants_of, given
from keras_attention.cells.looped import LoopedStack
from keras_attention.cells.sequence import sequence_steps
from keras_attention.cells.stack import next_states
from keras_attention.recurrent.decoder_step import DecoderStep
from keras_attention.types import Nest, Tensor


def run_at_once(
    step: DecoderStep,
    layers: Sequence[keras.layers.RNN],
    inputs: Tensor,
    mask: Tensor | None,
    memory: Memory | None,
    state: list[Tensor],
    drawn: dict[str, Tensor],
    training: bool | None,
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Run all steps of a decoder at once, if none waits for the attention of the one before.

    Args:
        step: The decoder's step.
        layers: Keras recurrent layers, one per cell.
        inputs: (B, T, D).
        mask: Boolean (B, T), False on padding, or None.
        memory: From the attention's `prepare`; None without attention.
        state: The decoder's state before the first step.
        drawn: The result of the attention's `draw`, (B, T, S) each.
        training: Whether to apply the recurrent layers' dropout.

    Returns:
        Outputs (B, T, .), weights (B, T, S) or None, both zero on padding, and the last state.
    """
    steps = sequence_steps(step.cells, layers, mask, training)
    outputs, weights, state = step(inputs, state, memory, drawn, steps, at_once=True)
    if mask is not None:
        valid = ops.expand_dims(mask, -1)
        outputs = ops.where(valid, outputs, 0.0)
        weights = weights if weights is None else ops.where(valid, weights, 0.0)
    return outputs, weights, state


def run_loop(
    step: DecoderStep,
    inputs: Tensor,
    mask: Tensor | None,
    reads_output: Tensor | None,
    memory: Memory,
    state: list[Tensor],
    drawn: dict[str, Tensor],
    training: bool | None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run the steps of a decoder in a loop, if each needs the attention of the one before.

    What does not change from step to step moves out of the loop: products with the target inputs,
    and the weights, which become constants, so that their gradients are computed once for all
    steps. Losses that layers add at a step are summed over the steps.

    Args:
        step: The decoder's step. The dropout masks of its cells must be drawn already.
        inputs: (B, T, D).
        mask: Boolean (B, T), False on padding, or None.
        reads_output: Boolean (B, T), True where a step reads the previous output instead of its
            input, or None.
        memory: From the attention's `prepare`.
        state: The decoder's state before the first step.
        drawn: The result of the attention's `draw`, (B, T, S) each.
        training: Whether to call the cells in training mode.

    Returns:
        Outputs (B, T, .) and weights (B, T, S), zero on padding, and the last state.
    """
    layers = step.layers
    is_trained = has_own_gradient() and all(_is_pure(layer) for layer in (*step.cells, *layers))
    xs = _by_time(step.layout.dtype, inputs, mask, reads_output, drawn)
    stack = LoopedStack(step.cells, inputs.shape[-1], is_trained, training)
    constants = {
        "cells": stack.constants,
        "layers": [_constants(layer) for layer in layers] if is_trained else [],
        "memory": memory._replace(mask=()),
    }
    if "own" in xs:
        constants["projecting"] = list(stack.projecting)
        state = [*state, ops.zeros_like(xs["inputs"][0])]

    def body(carry: list[Tensor], x: dict[str, Nest], constants: Nest) -> tuple[Nest, Nest]:
        state, inputs = carry, x["inputs"]
        if "own" in x:
            *state, before = carry
            read = stack.project_one(before, constants["projecting"])
            inputs = ops.where(ops.expand_dims(x["own"], 1) > 0.0, read, inputs)
        steps = stack.steps(constants["cells"])
        with given(layers, constants["layers"]), added_losses(layers) as losses:
            own = constants["memory"]._replace(mask=memory.mask)
            output, weights, new = step(inputs, state, own, x["drawn"], steps)
        if "own" in x:
            new = [*new, output]
        if "mask" in x:
            valid = ops.expand_dims(x["mask"], 1) > 0.0
            output, weights = (ops.where(valid, y, 0.0) for y in (output, weights))
        return next_states(carry, new, x.get("mask")), (output, weights, losses)

    xs["inputs"] = stack.project(xs["inputs"])
    if is_trained:
        state, results = trained_scan(body, state, xs, constants)
    else:
        state, results = scan(partial(body, constants=constants), state, xs)
    *sequences, losses = results
    for loss in losses:
        layers[-1].add_loss(ops.sum(loss))
    outputs, weights = (ops.swapaxes(y, 0, 1) for y in sequences)
    return outputs, weights, state[:-1] if "own" in xs else state


def _by_time(
    dtype: str,
    inputs: Tensor,
    mask: Tensor | None,
    reads_output: Tensor | None,
    drawn: dict[str, Tensor],
) -> dict[str, Nest]:
    """Return the arguments of the steps as floating-point tensors, time first.

    These are "inputs" (T, B, D), "drawn" (T, B, S) each and, if given, "mask" (T, B), 0 on padding,
    and "own" (T, B), 1 where a step reads the previous output, which the first never does.
    """
    xs: dict[str, Nest] = {"inputs": ops.cast(inputs, dtype), "drawn": drawn}
    if mask is not None:
        xs["mask"] = ops.cast(mask, dtype)
    if reads_output is not None:
        has_before = ops.arange(ops.shape(inputs)[1]) > 0
        own = ops.logical_and(ops.cast(reads_output, "bool"), has_before)
        xs["own"] = ops.cast(own, dtype)
    return keras.tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), xs)


def _constants(layer: Any) -> list[Tensor]:
    """Return a layer's weights, cast once instead of at each step if that is known to be safe."""
    is_whole = isinstance(layer, AttentionLayer) or type(layer) is keras.layers.Dense
    return constants_of(layer, layer.compute_dtype if is_whole else None)


def _is_pure(layer: Any) -> bool:
    """Whether a call leaves the layer unchanged; drawing random numbers, for example, does not.

    The random numbers of Keras cells and of attention are drawn before the loop. Quantized weights
    are no constants of a trained loop: they are integers, or change in training (float8).
    """
    if getattr(layer, "quantization_mode", None):
        return False
    if isinstance(layer, AttentionLayer) or hasattr(layer, "get_dropout_mask"):
        return True
    return type(layer) is keras.layers.Dense or not layer.non_trainable_variables
