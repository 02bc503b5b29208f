"""LiteRT called thousands of times, with lengths that grow and shrink, in all signatures.

What an interpreter returns must not depend on its earlier calls: it is compared with that of a new
interpreter for each source. TensorFlow is not in the process, as on a phone: its heap would hide
what goes wrong.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.campaigns.journal import Job, Trial

_CALLS, _AT_ONCE, _SOURCES = 20_000, 500, 60
_SEARCHES = ("greedy", "beam")
_TOLERANCE = 1e-4


def trials(job: Job) -> Iterator[Trial]:
    """Yield trials of some hundred calls, each of a new interpreter with one or two threads."""
    config = json.loads((job.out / "config.json").read_text(encoding="utf-8"))
    files = config["artefacts"]["tflite"]
    phone = Phone(job.out, config, random.Random(job.seed))
    for i in range(job.count(_CALLS // _AT_ONCE)):
        file, threads = files[i % len(files)], 1 + i // len(files) % 2
        yield Trial(
            f"{file}, {threads} threads, {i}",
            partial(phone.calls, file, threads, job.seed + i),
            _AT_ONCE,
        )


class Phone:
    """The sources, and what new interpreters return for them.

    Args:
        out: The export.
        config: Its configuration.
        chance: What draws the sources.
    """

    def __init__(self, out: Path, config: Mapping[str, Any], chance: random.Random) -> None:
        self._out, self._end = out, config["ids"]["end"]
        with np.load(out / "reference.npz") as reference:
            known = [x for name in reference for x in reference[name] if name.endswith("/source")]
        tokens = sorted({int(i) for row in known for i in row} - {0, self._end})
        most = config["max_source_length"]
        lengths = [0, most - 1, *(chance.randrange(most) for _ in range(_SOURCES - 2))]
        self._sources = [[*chance.choices(tokens, k=n), self._end] for n in lengths]
        self._expected: dict[tuple[str, int], list[Any]] = {}

    def calls(self, file: str, threads: int, seed: int) -> Iterator[str]:
        """Call an interpreter, and yield what differs from new interpreters."""
        if "tensorflow" in sys.modules:
            yield "TensorFlow is in the process"
        expected = self._new(file, threads)
        chance, run = random.Random(seed), self._searches(file, threads)
        for _ in range(_AT_ONCE):
            place, search = chance.randrange(len(self._sources)), chance.choice(_SEARCHES)
            found = run[search](source=np.array([self._sources[place]], "int32"))
            wanted = expected[place][search]
            same = np.array_equal(found["ids"], wanted["ids"])
            if not same or not np.allclose(found["scores"], wanted["scores"], atol=_TOLERANCE):
                yield f"{search} of {self._sources[place]}: {found['ids']}, not {wanted['ids']}"

    def _new(self, file: str, threads: int) -> list[Any]:
        """Return the answers of a new interpreter for each source and search."""
        if (file, threads) not in self._expected:
            self._expected[file, threads] = [
                {
                    search: self._searches(file, threads)[search](source=np.array([row], "int32"))
                    for search in _SEARCHES
                }
                for row in self._sources
            ]
        return self._expected[file, threads]

    def _searches(self, file: str, threads: int) -> dict[str, Any]:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(self._out / file), num_threads=threads)
        return {search: interpreter.get_signature_runner(search) for search in _SEARCHES}
