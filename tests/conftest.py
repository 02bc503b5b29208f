"""Settings made before Keras is imported, one seed for every test, and the corpora."""

from __future__ import annotations

import gc
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eager import eagerly

# Keras chooses its backend, and TensorFlow its devices, on first import.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        metavar="K/N",
        help="run only the K-th of N shares of the tests, from 0 to N - 1: together all of them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not in the share that `--share` names.

    A test's share follows from its name alone, so it stays where it is when others come and go.
    """
    asked = config.getoption("--share")
    if asked is None:
        return
    try:
        share, shares = map(int, asked.split("/"))
        if not 0 <= share < shares:
            raise ValueError
    except ValueError:
        raise pytest.UsageError(
            f"Option `--share` must be K/N with K from 0 to N - 1. Received: {asked}"
        ) from None
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        is_in = zlib.crc32(item.nodeid.encode()) % shares == share
        (kept if is_in else others).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=others)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays for the whole session: the modules and the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start each test from the same seed, whichever tests ran before it."""
    import keras

    keras.utils.set_random_seed(20150406)


@pytest.fixture
def eager() -> Iterator[None]:
    """TensorFlow compiles nothing: what is traced for a few steps takes longer than they do."""
    with eagerly():
        yield


@pytest.fixture(autouse=True, scope="module")
def _forget_graphs() -> Iterator[None]:
    """TensorFlow keeps each `tf.custom_gradient` that was traced, and with it the whole graph."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework.ops import gradient_registry

        traced = gradient_registry._registry
        for name in [name for name in traced if name.startswith("CustomGradient-")]:
            del traced[name]
    gc.collect()


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of corpora: `KERAS_ATTENTION_DATA`, else `data/` in the checkout."""
    folder = Path(os.environ.get("KERAS_ATTENTION_DATA", ROOT / "data"))
    if not folder.is_dir():
        pytest.skip(f"no corpora in {folder}: set KERAS_ATTENTION_DATA to the folder that has them")
    return folder
