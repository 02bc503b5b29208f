"""Measure the memory that a large corpus takes: `python -m benchmarks.shards`.

Makes pairs of random words in twenty pairs of files, shards of them with `training.prepare`, and
trains a small model from these, for two numbers of pairs. Prints the seconds of each program and
the peak memory of its largest process, whose ratio should be 1: neither program may hold more of a
large corpus than of a small one.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

_FILES, _WORDS, _LONGEST = 20, 150, 12
_TEXT = (
    "data.dev_pairs=100",
    "data.held_out_pairs=100",
    "data.on_problem=drop",
    "text.source_vocabulary=500",
    "text.target_vocabulary=500",
)
_SMALL = (
    "model.embedding_size=16",
    "model.encoder_units=16",
    "model.decoder_units=16",
    "model.attention_units=16",
    "model.attention_layer_units=16",
    "training.batch_tokens=null",
    "training.batch_size=512",
    "training.max_shapes=4",
    "training.pad_to_multiple=1",
    "training.warmup_steps=10",
    "training.dtype=float32",
    "training.jit_compile=false",
)


class Cost(NamedTuple):
    """What a program took.

    Attributes:
        seconds: Its time.
        megabytes: The peak memory of its largest process.
    """

    seconds: float
    megabytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shards", description=__doc__)
    parser.add_argument("--pairs", nargs=2, type=int, default=(100_000, 2_000_000), metavar="N")
    parser.add_argument("--workers", type=int, default=2, help="processes of prepare (2)")
    parser.add_argument("--steps", type=int, default=400, help="steps of the training (400)")
    options = parser.parse_args(arguments)
    print(
        f"{'pairs':>12} {'program':8} {'seconds':>8} {'memory (MB)':>12} {'ratio':>6}", flush=True
    )
    first: dict[str, Cost] = {}
    for pairs in options.pairs:
        with TemporaryDirectory() as folder:
            for program, cost in _costs(Path(folder), pairs, options.workers, options.steps):
                ratio = cost.megabytes / first.setdefault(program, cost).megabytes
                print(
                    f"{pairs:12,} {program:8} {cost.seconds:8.0f} {cost.megabytes:12.0f} "
                    f"{ratio:6.2f}",
                    flush=True,
                )
    return 0


def _costs(folder: Path, pairs: int, workers: int, steps: int) -> Sequence[tuple[str, Cost]]:
    _write_text(folder, pairs)
    shards = f"{folder}/shards"
    text = (f"data.train.source={folder}/*.source", f"data.train.target={folder}/*.target")
    prepare = ("--recipe", "corpus", *text, *_TEXT, "--workers", str(workers))
    length = (f"training.steps={steps}", f"training.steps_per_epoch={steps}")
    train = ("--recipe", "corpus", f"data.train.shards={shards}", *_SMALL, *length)
    return [
        ("prepare", _measured("training.prepare", *prepare, "--out", shards)),
        ("train", _measured("training.train", *train, "--out", f"{folder}/run")),
    ]


def _write_text(folder: Path, pairs: int) -> None:
    draw = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(_WORDS)]
    for number in range(_FILES):
        for side in ("source", "target"):
            with (folder / f"{number:02d}.{side}").open("w") as file:
                for _ in range(pairs // _FILES):
                    file.write(" ".join(draw.choices(words, k=draw.randint(3, _LONGEST))) + "\n")


def _measured(program: str, *arguments: str) -> Cost:
    """Run a program, silently, and return what it took."""
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-m", program, *arguments], stdout=quiet)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program)
    return Cost(time.perf_counter() - start, used.ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main())
