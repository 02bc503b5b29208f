"""Run the Keras model of a run directory, the baseline for all artefacts."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.assets.reference import padded
from keras_attention.decoding import BeamSearch, GreedySearch
from keras_attention.export.runtimes.runner import Arrays, Function, main
from keras_attention.text.translator import Translator


@functools.cache
def _load(path: str, threads: int) -> Any:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return Translator.from_run(Path(path).parent)


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Return `Seq2Seq.generate` with the search of a signature, or `Seq2Seq.score`."""
    translator = _load(path, threads)
    if signature == "score":
        score = translator.model.score
        return lambda source, target: {"log_probabilities": score(source, target).log_probs}
    search, length = translator.search, translator.max_length
    beam = search if isinstance(search, BeamSearch) else BeamSearch()
    used = {"greedy": GreedySearch(), "beam": beam}[signature]

    def call(source: np.ndarray) -> Arrays:
        found = padded(translator.model.generate(source, used, length), length)
        return {name: array for name, array in found._asdict().items() if array is not None}

    return call


if __name__ == "__main__":
    sys.exit(main(open_artefact, forbidden=()))
