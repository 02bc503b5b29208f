"""The page docs/play in Chromium, and the same models in Keras with the same knobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

import keras_attention as ka
from export.bulk.batches import padded
from tests.arrays import to_numpy
from tests.browser.chromium import HERE, in_node

PAGE = HERE.parents[1] / "docs" / "play" / "index.html"
QUANTITIES = ("scores", "weights", "context", "logits")


def play(folder: Path, *actions: Sequence[Any], page: Path = PAGE) -> list[Any]:
    """What the actions return; nothing may go wrong on the way, or leave the folder."""
    out = folder / "results.json"
    in_node("play.mjs", folder, {"page": str(page), "actions": actions, "out": str(out)})
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["said"] == []
    results: list[Any] = told["results"]
    return results


class Turned:
    """Aligns in place of the softmax: at a temperature, or as it is told; keeps the scores."""

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature
        self.scores: Any = None
        self.told: Any = None

    def align(self, scores: Any, value_mask: Any = None, state: Any = (), **_: Any) -> Any:
        self.scores = scores
        if self.told is not None:
            return ops.expand_dims(ops.cast(self.told, scores.dtype), 1), state
        if self.temperature == 0:
            return ka.alignments.Hardmax()(scores, value_mask), state
        return ka.masking.masked_softmax(scores / self.temperature, value_mask), state


def in_keras(
    model: ka.Seq2Seq,
    sources: list[list[int]],
    written: list[list[int]],
    forced: list[list[list[float]]] | None = None,
    temperature: float = 1.0,
    hidden: int | None = None,
) -> dict[str, np.ndarray]:
    """What the model computes at each step (B, T, ...) when it has written these words.

    `forced` are weights for each step, `hidden` is a position that is masked out.
    """
    turned = Turned(temperature)
    attention: Any = model.decoder.attention
    if attention is not None:
        attention.alignment.__dict__["align"] = turned.align
    ids = padded(sources)
    memory: Any
    memory, state = model.encode(ids)
    if hidden is not None:
        memory = memory._replace(mask=np.array(memory.mask) & (np.arange(ids.shape[1]) != hidden))
    read = padded([[2, *row[:-1]] for row in written])
    shares = None if forced is None else _padded_shares(forced, ids.shape[1])
    found: dict[str, list[np.ndarray]] = {name: [] for name in QUANTITIES}
    for t in range(read.shape[1]):
        turned.told = None if shares is None else shares[:, t]
        embedded = model.target_embedding(read[:, t])
        output, weights, state = model.decoder.step(embedded, state, memory)
        found["logits"].append(to_numpy(model.logits(output)))
        if model.has_attention:
            found["scores"].append(to_numpy(turned.scores)[:, 0])
            found["weights"].append(to_numpy(weights))
            found["context"].append(to_numpy(output)[:, model.config.decoder_units :])
    return {name: np.stack(steps, axis=1) for name, steps in found.items() if steps}


def _padded_shares(forced: list[list[list[float]]], length: int) -> np.ndarray:
    shares = np.zeros((len(forced), max(map(len, forced)), length))
    for row, steps in zip(shares, forced, strict=True):
        for t, values in enumerate(steps):
            row[t, : len(values)] = values
    return shares
