"""A small text in several files, with lines of every kind, and shards made of it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from training.prepare import main

WORDS = ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"]
SETTINGS = (
    "data.train.source=part?.de*",
    "data.train.target=part?.en*",
    "data.dev_pairs=20",
    "data.held_out_pairs=30",
    "data.max_source_length=24",
    "data.max_target_length=24",
    "data.on_problem=drop",
    "text.model_type=word",
    "text.source_vocabulary=300",
    "text.target_vocabulary=300",
)

Prepare = Callable[..., int]


def lines(seed: int, count: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    pairs = []
    for _ in range(count):
        words = draw.choices(WORDS, k=draw.randint(1, 12))
        pairs.append((" ".join(words), " ".join(word[::-1] for word in words)))
    return pairs


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of 90, 70 and 50 lines; some are empty, not UTF-8, equal, repeated, too long."""
    monkeypatch.chdir(tmp_path)
    for number, count in enumerate((90, 70, 50)):
        pairs = [(a.encode(), b.encode()) for a, b in lines(number, count)]
        pairs[3] = (b"", b"nichts")
        pairs[5] = (b"\xff", b"ein")
        pairs[7] = pairs[8] = (b"ein ein ein zehn", b"nie nie nie nhez")
        pairs[9] = (b"gleich %d" % number,) * 2
        pairs[15] = (b"gleich %d zehn" % number,) * 2
        pairs[11] = (b"ein " * 30, b"nie " * 30)
        pairs[13] = (b"ein ein ein ein ein ein ein", b"nie")
        for side, name in enumerate(("de", "en")):
            content = b"".join(pair[side] + b"\n" for pair in pairs)
            if number == 1:
                Path(f"part1.{name}.gz").write_bytes(gzip.compress(content))
            else:
                Path(f"part{number}.{name}").write_bytes(content)
    return tmp_path


@pytest.fixture
def prepare(text: Path) -> Prepare:
    """The entry point: `prepare(out, *arguments)` returns its exit code."""

    def run(out: Path | str, *arguments: str, workers: int = 1) -> int:
        own = ["--workers", str(workers), "--out", str(out)]
        return main(["--recipe", "corpus", *SETTINGS, *arguments, *own])

    return run


def content(folder: Path | str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
