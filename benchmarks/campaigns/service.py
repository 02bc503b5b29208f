"""One process that translates in eight threads beside a training, for long.

The options of the searches change all the time, as they do where users choose them. Every answer is
compared with that of one thread alone; memory at the end is compared with that near the beginning.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import numpy as np

from benchmarks.abuse import growth, watched
from benchmarks.campaigns.journal import Job, Trial

_THREADS, _SECONDS, _TEXTS, _TOLERANCE = 8, 1200.0, 64, 1e-4
_MOST_GROWTH = 1.05
_BATCH_SIZES = (1, 3, 8)


def trials(job: Job) -> Iterator[Trial]:
    """Yield one trial: twenty minutes."""
    yield Trial("service", lambda: _serve(job))


class _Service:
    """A translator, and what it returns while nothing else runs."""

    def __init__(self, job: Job) -> None:
        import keras_attention as ka

        self._ka, self._seed = ka, job.seed
        self.run = ka.RunDirectory(job.run)
        self._translator = ka.Translator.from_run(job.run)
        self._texts = [source for source, _ in self.run.held_out()][:_TEXTS]
        self._known: dict[Any, list[Any]] = {}
        self._lock = threading.Lock()
        self.answers = 0

    def learn(self) -> None:
        """Translate with some searches, one after another."""
        searches: list[Any] = [self._ka.GreedySearch()]
        searches += [self._ka.BeamSearch(*options) for options in ((2, 0.0), (3, 0.6), (5, 1.0))]
        for search in searches:
            self._known[search] = self._translator(self._texts, search)

    def translate(self, end: float, thread: int) -> list[str]:
        """Translate random texts until the time has come, and return what differs."""
        chance, problems = random.Random(f"{self._seed} {thread}"), list[str]()
        while time.monotonic() < end and not problems:
            search = chance.choice(list(self._known))
            if chance.random() < 0.01:  # options that nobody has used before: another program
                other = self._ka.BeamSearch(2, round(chance.uniform(0.1, 2.0), 3))
                self._translator([chance.choice(self._texts)], other)
            places = chance.sample(range(len(self._texts)), chance.choice(_BATCH_SIZES))
            found = self._translator([self._texts[i] for i in places], search)
            for i, translation in zip(places, found, strict=True):
                problems += self._difference(self._known[search][i], translation)
            with self._lock:
                self.answers += len(places)
        return problems

    def _difference(self, expected: Any, found: Any) -> Iterator[str]:
        if found.text != expected.text or abs(found.score - expected.score) > _TOLERANCE:
            yield f"{found.text!r} ({found.score}), not {expected.text!r} ({expected.score})"


def _serve(job: Job) -> list[str]:
    from keras_attention.losses import MaskedCrossEntropy

    service = _Service(job)
    service.learn()
    training = service.run.model()
    training.compile("adam", MaskedCrossEntropy())
    data = _batch(service.run)
    ended, memory, epochs = threading.Event(), list[float](), count()
    end = time.monotonic() + _SECONDS * job.scale

    def train() -> None:
        while not ended.is_set():
            training.fit(*data, batch_size=8, epochs=1, verbose=0)
            next(epochs)

    fitting = threading.Thread(target=train)
    fitting.start()
    try:
        with watched(memory), ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda i: service.translate(end, i), range(_THREADS)))
    finally:
        ended.set()
        fitting.join()
    problems = [problem for part in found for problem in part]
    grown = growth(memory)
    print(
        f"{service.answers:,} answers beside {next(epochs)} epochs; memory {memory[0]:,.0f} to "
        f"{memory[-1]:,.0f} MB, last fifth over second: {grown:.3f}"
    )
    if grown > _MOST_GROWTH:
        problems.append(f"memory grew by a factor of {grown:.3f}")
    return problems


def _batch(run: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return pairs to train on, as Keras takes them."""
    from keras_attention.text.translator import pad

    pairs = run.held_out()[:64]
    source, target = (
        pad([[*tokenizer.encode([pair[side]])[0], 2] for pair in pairs])
        for side, tokenizer in enumerate(run.tokenizers())
    )
    shifted = np.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=1)
    return {"source": source, "target": shifted}, target
