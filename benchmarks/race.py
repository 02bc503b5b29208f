"""Measure the time to a given translation quality: `python -m benchmarks.race --data DIR`.

First this project, then JoeyNMT trains on Multi30k, German to English, in bfloat16 on all cores,
until greedy search on the validation pairs reaches a BLEU score (lower-cased, by sacreBLEU). The
time is that from the start of the command to the end of the validation that reaches the goal.
JoeyNMT is stopped after three times the time of this project.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import IO, cast

from benchmarks.environments import OURS, PEERS
from benchmarks.machine import description, is_idle

JOEYNMT = "joeynmt"
GOAL = 34.5
SCHEDULE = (
    "training.dtype=mixed_bfloat16",
    "training.jit_compile=false",
    "training.steps=1200",
    "training.steps_per_epoch=200",
    "training.warmup_steps=150",
    "training.learning_rate=0.004",
    "training.label_smoothing=0",
    "model.dropout=0.3",
    "model.word_dropout=0",
)
"""Changes to the recipe, which is tuned for the best model: only as many steps and as much
regularization as the goal requires, and as many validations as the peer.
"""
_TIMES_AS_LONG, _A_DAY = 3, 24 * 60.0
_BLEU = re.compile(r"\b(?:val_)?bleu:\s+([0-9.]+)")


def validations(
    name: str, command: Sequence[str], goal: float, minutes: float = _A_DAY
) -> list[tuple[float, float]]:
    """Run a training until it reaches a goal or its time is up.

    Args:
        name: The name of the side.
        command: The command; prints a line with `bleu: ...` after each validation.
        goal: The BLEU score to reach.
        minutes: The time limit.

    Returns:
        The minutes since the start and the BLEU score of each validation.

    Raises:
        RuntimeError: If the training ends before either.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": "1"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    found: list[tuple[float, float]] = []
    started, line = time.perf_counter(), ""
    pipe = subprocess.PIPE

    def passed() -> float:
        return (time.perf_counter() - started) / 60

    with subprocess.Popen(
        command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        timer = Timer(60 * minutes, process.kill)
        timer.start()
        try:
            for line in cast(IO[str], process.stdout):
                told = _BLEU.search(line)
                if told is None:
                    continue
                found.append((passed(), float(told.group(1))))
                print(f"{name}: {found[-1][1]:.1f} after {found[-1][0]:.1f} min", flush=True)
                if found[-1][1] >= goal:
                    process.kill()
                    return found
        finally:
            timer.cancel()
    if passed() < minutes:
        raise RuntimeError(f"{name} ended before it reached a BLEU of {goal}: {line.strip()}")
    return found


def main() -> None:
    """Run both trainings, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with multi30k/")
    parser.add_argument("--bleu", type=float, default=GOAL, help="the goal (%(default)s)")
    args = parser.parse_args()
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    PEERS[JOEYNMT].install()
    with TemporaryDirectory() as folder:
        text = [str(args.data / "multi30k" / f"{{}}.{language}") for language in ("de", "en")]
        module = "benchmarks.workers.joeynmt_training"
        own = ["--recipe", "multi30k-de-en", "--data", str(args.data), *SCHEDULE]
        commands = {
            OURS: [sys.executable, "-m", "training.train", *own, "--out", f"{folder}/{OURS}"],
            JOEYNMT: [str(PEERS[JOEYNMT].interpreter), "-m", module, *text, f"{folder}/{JOEYNMT}"],
        }
        (Path(folder) / JOEYNMT).mkdir()
        ours = validations(OURS, commands[OURS], args.bleu)
        limit = _TIMES_AS_LONG * ours[-1][0]
        theirs = validations(JOEYNMT, commands[JOEYNMT], args.bleu, limit)
    print(f"\n| side | minutes to {args.bleu} | BLEU of the validations |\n|---|---|---|")
    for side, seen in {OURS: ours, JOEYNMT: theirs}.items():
        has_won = bool(seen) and seen[-1][1] >= args.bleu
        minutes = f"{seen[-1][0]:.1f}" if has_won else f"more than {limit:.1f}"
        scores = ", ".join(f"{bleu:.1f}" for _, bleu in seen)
        print(f"| {side} | {minutes} | {scores} |")
    print(f"\n{description()}")


if __name__ == "__main__":
    main()
