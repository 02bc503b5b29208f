"""Hostile inputs for every layer, search, artefact and program.

Layers and searches: a row must not depend on the other rows of its batch, nor on its padding, and
results must be finite. Artefacts: each file must return what the Keras model does. Programs: see
`programs`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.campaigns import hostile, programs
from benchmarks.campaigns.journal import Job, Trial

_INPUTS, _ROWS, _TEXTS = 10_000, 100, 1000
_SIZES = ((1, 2), (7, 3))  # of source and target
_LENGTHS = (1, 4, 12, 30)
_MORE = 2  # padding to add
_ALONE = 3  # rows of each batch
_CLOSE, _SAME = 1e-4, 1e-5


def trials(job: Job) -> Iterator[Trial]:
    """Yield the trials of all kinds."""
    yield from chain(_layers(job), _searches(job), _artefacts(job), programs.trials(job))


def _layers(job: Job) -> Iterator[Trial]:
    from tests.conformance.registry import REGISTRY

    count = job.count(_INPUTS // _ROWS)
    for name in REGISTRY:
        yield Trial(f"layer {name}", partial(_layer, name, job.seed, count), count * _ROWS)


def _layer(name: str, seed: int, count: int) -> Iterator[str]:
    yield from _Layer(name, seed).rounds(count)


class _Layer:
    """A layer of the conformance tests, with inputs of random magnitude and random masks."""

    def __init__(self, name: str, seed: int) -> None:
        import keras
        import tensorflow as tf

        from tests.arrays import randomize
        from tests.conformance.registry import REGISTRY

        self._entry = REGISTRY[name]
        keras.utils.set_random_seed(seed)
        layer = self._entry.make()
        self._call(layer, self._draw(np.random.default_rng(seed), 1, 1))
        if isinstance(layer, keras.Layer) and layer.weights:
            randomize(layer, seed=seed)
        self._run = tf.function(lambda x: self._call(layer, x))
        self._rng = np.random.default_rng(seed)
        masks = [k for k in self._entry.specs if k.endswith("mask") or k == "source"]
        self._padded = {"S" for k in masks if self._entry.specs[k][0][:1] == ("S",)}

    def rounds(self, count: int) -> Iterator[str]:
        """Yield what is wrong in as many batches."""
        for i in range(count):
            source, target = _SIZES[i % len(_SIZES)]
            arrays = self._draw(self._rng, source, target)
            found = self._results(arrays)
            if not all(np.isfinite(x).all() for x in found):
                yield f"batch {i}: not finite"
            for row in self._rng.choice(_ROWS, _ALONE, replace=False):
                alone = {k: x[row : row + 1] for k, x in arrays.items()}
                expected = [x[row : row + 1] for x in found]
                yield from _differences(
                    f"batch {i}, row {row} alone", expected, self._results(alone)
                )
            if self._padded:
                longer = self._results(self._pad(arrays))
                cut = [_cut(x, y.shape, source) for x, y in zip(longer, found, strict=True)]
                yield from _differences(f"batch {i} padded", found, cut)

    def _call(self, layer: Any, arrays: Any) -> list[Any]:
        return list(self._entry.call(layer, arrays))

    def _results(self, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
        import tensorflow as tf

        return [np.asarray(x) for x in self._run({k: tf.constant(x) for k, x in arrays.items()})]

    def _draw(self, rng: np.random.Generator, source: int, target: int) -> dict[str, np.ndarray]:
        from tests.conformance.registry import V

        sizes, arrays = {"S": source, "T": target}, {}
        for name, (shape, dtype) in sorted(self._entry.specs.items()):
            full = (_ROWS, *(sizes[n] if isinstance(n, str) else n for n in shape))
            if dtype == "float32":
                scale = 10 ** rng.uniform(-4, 1, (_ROWS, *(1 for _ in shape)))
                arrays[name] = (scale * rng.uniform(-1, 1, full)).astype("float32")
                continue
            is_mask = name.endswith("mask")
            lengths = rng.integers(0 if is_mask else 1, full[1] + 1, (_ROWS, 1))
            kept = np.arange(full[1]) < lengths
            values = 1 if is_mask else rng.integers(4, V, full)
            arrays[name] = np.where(kept, values, 0).astype("int32")
        return arrays

    def _pad(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return longer sources whose new positions are masked, with large numbers there."""
        padded = {}
        for name, array in arrays.items():
            shape, dtype = self._entry.specs[name]
            value = 1e6 if dtype == "float32" else 0
            widths = [(0, _MORE if size == "S" else 0) for size in ("B", *shape)]
            padded[name] = np.pad(array, widths, constant_values=value)
        return padded


def _cut(longer: np.ndarray, shape: Sequence[int], source: int) -> np.ndarray:
    """Remove the positions after those of the source, on each axis that is longer for them."""
    added = range(source, source + _MORE)
    for axis, (size, other) in enumerate(zip(longer.shape, shape, strict=True)):
        if size != other:
            longer = np.delete(longer, added, axis)
    return longer


def _differences(
    what: str, expected: Sequence[np.ndarray], found: Sequence[np.ndarray]
) -> Iterator[str]:
    for i, (x, y) in enumerate(zip(expected, found, strict=True)):
        if not np.allclose(x, y, rtol=_CLOSE, atol=_CLOSE):
            yield f"{what}: result {i} differs by {np.abs(x - y).max()}"


def _searches(job: Job) -> Iterator[Trial]:
    import keras_attention as ka

    found = {
        "greedy": ka.GreedySearch(),
        "beam": ka.BeamSearch(3, length_penalty=0.6),
        "sampling": ka.SamplingSearch(top_k=5, seed=job.seed),
    }
    count = job.count(_INPUTS // _ROWS)
    for name, search in found.items():
        yield Trial(f"search {name}", partial(_searched, job, search, count), count * _ROWS)


@cache
def _model(job: Job) -> tuple[Any, int, int]:
    """Return the trained model, its source vocabulary and the length of its targets."""
    import keras_attention as ka

    translator = ka.Translator.from_run(job.run)
    return translator.model, translator.source_tokenizer.vocabulary_size, translator.max_length


def _searched(job: Job, search: Any, count: int) -> Iterator[str]:
    """Search with any ids, special ones in the middle included; rows alone must give the same."""
    model, vocabulary, longest = _model(job)
    rng = np.random.default_rng(job.seed)
    for i in range(count):
        lengths = rng.choice(_LENGTHS, _ROWS)
        ids = rng.integers(1, vocabulary, (_ROWS, max(_LENGTHS)))
        ids = np.where(np.arange(max(_LENGTHS)) < lengths[:, None], ids, 0).astype("int32")
        found = model.generate(ids, search, max_length=longest)
        scores, outputs = np.asarray(found.scores), np.asarray(found.ids)
        if not np.isfinite(scores[:, 0]).all() or np.isnan(scores).any():
            yield f"batch {i}: scores are not finite"
        if outputs.min() < 0:
            yield f"batch {i}: an id is negative"
        for row in rng.choice(_ROWS, 0 if "sampl" in type(search).__name__.lower() else _ALONE):
            alone = model.generate(ids[row : row + 1, : lengths[row]], search, max_length=longest)
            difference = abs(float(alone.scores[0, 0]) - scores[row, 0])
            same = np.array_equal(np.asarray(alone.ids)[0, 0], outputs[row, 0])
            if difference > (_CLOSE if same else _SAME):
                yield f"batch {i}, row {row} alone: the score differs by {difference}"


def _artefacts(job: Job) -> Iterator[Trial]:
    count = job.count(_INPUTS // _TEXTS)
    for i in range(count):
        yield Trial(f"artefacts, texts {i}", partial(_verified, job, i), _TEXTS)


def _verified(job: Job, number: int) -> Iterator[str]:
    """Run every artefact on hostile texts, beside the Keras model."""
    import keras_attention as ka
    from export.verify.verification import verify

    translator = ka.Translator.from_run(job.run)
    chance, texts = random.Random(f"{job.seed} {number}"), list[str]()
    while len(texts) < _TEXTS:
        text = " ".join(hostile.text(chance).replace("\0", "").splitlines())
        if 0 < len(translator.source_tokenizer.encode([text])[0]) < translator.max_source_length:
            texts.append(text)
    file = job.work / f"texts-{number}"
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    for row in verify(job.out, job.run, data=[file]):
        if not row.comparison.passed:
            yield f"{row.file}, {row.signature}: {row.comparison}"
