"""CTranslate2 4.8, with the Transformer that `opennmt_training` has trained and converted.

Takes the folder of the converted model, whose name is the precision. Words are our ids.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from benchmarks.worker import Run, Sentences, Translate, serve, threads_of, translate
from benchmarks.workloads import BEAM, Case

_UNKNOWN, _FIRST = 3, 4


def translator_of(case: Case) -> ctranslate2.Translator:
    """Return the loaded model."""
    folder = Path(sys.argv[2])
    return ctranslate2.Translator(
        str(folder),
        compute_type=folder.name,
        inter_threads=1,
        intra_threads=threads_of(case),
    )


def search(case: Case) -> dict[str, Any]:
    """Return the options of the search."""
    return {"beam_size": BEAM if case.task == "beam" else 1, "length_penalty": 1.0}


def prepare(case: Case) -> Run:
    """Prepare a search that can neither end before its last step nor go on after it."""
    translator = translator_of(case)
    random = np.random.default_rng(0)
    ids = random.integers(_FIRST, case.vocabulary, (case.batch, case.length))
    sources = [list(map(str, row)) for row in ids.tolist()]
    lengths = {"min_decoding_length": case.steps, "max_decoding_length": case.steps}

    def run() -> None:
        found = translator.translate_batch(sources, **lengths, **search(case))
        written = {len(result.hypotheses[0]) for result in found}
        if written != {case.steps}:
            raise RuntimeError(f"Expected {case.steps} tokens. Received: {written}")

    return run


def translating(case: Case) -> Translate:
    """Return a function from the ids of sources to those of targets."""
    translator = translator_of(case)

    def run(sources: Sentences) -> Sentences:
        words = [list(map(str, row)) for row in sources]
        found = translator.translate_batch(words, max_batch_size=case.batch, **search(case))
        return [
            [int(word) if word.isdigit() else _UNKNOWN for word in result.hypotheses[0]]
            for result in found
        ]

    return run


if __name__ == "__main__":
    if "--translate" in sys.argv:
        translate(translating)
    else:
        serve(prepare, f"CTranslate2 {ctranslate2.__version__}")
