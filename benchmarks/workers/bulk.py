"""Translate texts with the Keras model of a run, or in bulk from its export."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

KERAS = "Keras"


@dataclass(frozen=True)
class Side:
    """What translates.

    Attributes:
        name: `KERAS`, or the precision of an export.
        run: The run.
        export: Its export.
        search: `"greedy"` or `"beam"`.
        threads: The number of threads of the export; the Keras model uses all processors.
    """

    name: str
    run: str
    export: str
    search: str
    threads: int


def timed(side: Side, texts: Sequence[str]) -> tuple[float, float, list[str]]:
    """Return the seconds for texts, those of all processors, and the translations.

    Neither loading nor, with Keras, tracing is counted: the first call translates twice.
    """
    is_first = _opened.cache_info().currsize == 0
    translate = _opened(side)
    translate(texts if is_first else texts[:2])
    started = time.perf_counter(), time.process_time()
    found = translate(texts)
    return time.perf_counter() - started[0], time.process_time() - started[1], found


@lru_cache(maxsize=1)
def _opened(side: Side) -> Callable[[Sequence[str]], list[str]]:
    return _keras(side) if side.name == KERAS else _bulk(side)


def _keras(side: Side) -> Callable[[Sequence[str]], list[str]]:
    from keras_attention import BeamSearch, GreedySearch, Translator
    from keras_attention.stored import read_export

    beam = read_export(side.export).beam
    translator = Translator.from_run(side.run)
    translator.search = GreedySearch()
    if side.search == "beam":
        translator.search = BeamSearch(beam.beam_width, beam.length_penalty)
    return lambda texts: [result.text for result in translator(texts)]


def _bulk(side: Side) -> Callable[[Sequence[str]], list[str]]:
    from export.bulk.reading import Reader
    from export.bulk.settings import Settings
    from export.bulk.tasks import task_of

    settings = Settings(side.export, side.search, side.name, threads=side.threads)
    read = Reader(settings)
    translate = task_of(settings, read.tokenizers)
    return lambda texts: [
        row
        for lines in read((f"{text}\n".encode() for text in texts), "the texts")
        for row in translate(lines, int).rows
    ]
