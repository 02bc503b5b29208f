"""Run a TFLite file in new LiteRT interpreters, with growing sources and alternating signatures.

Outputs must not depend on earlier calls of an interpreter. They can if XNNPACK's workspace grows
after the first call (docs/litert-workspace.md), but only rarely and on some machines. Therefore
this module compares outputs, and also checks whether the workspace grows at all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from allocations import watched  # type: ignore[import-not-found]
from runner import Arrays, Function, Job, do, function_of, read_batches  # type: ignore[import-not-found]

MOST = 60
_LEAST, _SECONDS = 6, 8.0
_TOLERANCE = 1e-5

Call = tuple[str, int]
"""A signature and the index of a source."""


def try_growing(job: Job) -> Arrays:
    """Run up to `MOST` new interpreters, as time allows.

    Args:
        job: The job; its inputs are single sources, each longer than the previous one.

    Returns:
        `calls`, the number of calls; `wrong`, the number of calls whose output differs from that of
        the first call of a new interpreter; `grown`, the size in bytes that XNNPACK's workspace has
        grown to, or 0 if it never grew.
    """
    sources = [batch["source"] for batch in read_batches(job.inputs).values()]
    expected = {
        (name, i): _functions(job)[name](source=source)
        for name in job.signatures
        for i, source in enumerate(sources)
    }
    rng = np.random.default_rng(0)
    calls = wrong = grown = 0
    begin = time.perf_counter()
    for number in range(MOST):
        if number >= _LEAST and time.perf_counter() - begin > _SECONDS:
            break
        functions = _functions(job)
        (name, i), *others = _order(rng, job.signatures, len(sources))
        functions[name](source=sources[i])
        with watched() as sizes:
            found = [functions[name](source=sources[i]) for name, i in others]
        grown = max(grown, *sizes, 0)
        calls += len(found)
        wrong += sum(not _equal(x, expected[call]) for x, call in zip(found, others, strict=True))
    return {"calls": np.array(calls), "wrong": np.array(wrong), "grown": np.array(grown)}


def _functions(job: Job) -> dict[str, Function]:
    """Return all signatures of one new interpreter."""
    interpreter = Interpreter(job.artefact, num_threads=job.threads)
    return {
        name: function_of(job, name, lambda _, name, __: interpreter.get_signature_runner(name))
        for name in job.signatures
    }


def _order(rng: np.random.Generator, signatures: Sequence[str], count: int) -> list[Call]:
    """Draw the order of calls: the shortest source, then others, often sorted by length."""
    chosen = np.append(0, rng.integers(0, count, 6))
    if rng.random() < 0.7:
        chosen = np.sort(chosen)
    names = rng.permutation(signatures)[: rng.integers(1, len(signatures) + 1)]
    return [(str(rng.choice(names)), int(i)) for i in chosen]


def _equal(found: Arrays, expected: Arrays) -> bool:
    return all(np.allclose(found[name], x, atol=_TOLERANCE) for name, x in expected.items())


if __name__ == "__main__":
    sys.exit(do(try_growing, forbidden=("keras", "keras_attention", "tensorflow")))
