"""Write files of every public layer and model, or load them, in one environment.

``python -m tests.oldest.files write FOLDER`` saves each entry of the conformance registry, with
random weights, as `.keras` and `.weights.h5`, beside its answers. ``... read FOLDER`` loads what
another environment wrote and prints, as JSON, what became of each file: "" if the answers are
equal, else what was wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tests.arrays import randomize
from tests.conformance.registry import REGISTRY
from tests.conformance.test_conformance import outputs

KINDS = ("keras", "weights.h5")


def write(folder: Path) -> None:
    for name, entry in REGISTRY.items():
        model = entry.model()
        randomize(model, seed=29)
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        answers = outputs(model, entry.arrays(3, 5, 4))
        np.savez(folder / f"{name}.npz", *(answer.astype("float32") for answer in answers))


def loaded(folder: Path, name: str, kind: str) -> keras.Model:
    path = folder / f"{name}.{kind}"
    if kind == "keras":
        return keras.saving.load_model(path)
    model = REGISTRY[name].model()
    model.load_weights(path)
    return model


def difference(folder: Path, name: str, kind: str) -> str:
    """What is wrong with a loaded file, or ""."""
    try:
        found = outputs(loaded(folder, name, kind), REGISTRY[name].arrays(3, 5, 4))
    except Exception as error:  # whatever Keras raises is the answer
        return f"{type(error).__name__}: {error}"
    with np.load(folder / f"{name}.npz") as saved:
        expected = [saved[f"arr_{i}"] for i in range(len(saved))]
    if len(found) != len(expected):
        return f"{len(found)} results, where {len(expected)} were saved"
    far = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    return "" if far <= 1e-5 else f"differs by {far}"


def read(folder: Path) -> None:
    results = {kind: {name: difference(folder, name, kind) for name in REGISTRY} for kind in KINDS}
    versions = {"keras": keras.__version__, "numpy": np.__version__}
    sys.stdout.write(json.dumps({"versions": versions, **results}))


if __name__ == "__main__":
    COMMANDS: dict[str, Callable[[Path], None]] = {"write": write, "read": read}
    COMMANDS[sys.argv[1]](Path(sys.argv[2]))
