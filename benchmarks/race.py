"""How long until it translates well: `python -m benchmarks.race --data DIR`.

This project and then JoeyNMT learn Multi30k's German to English from the text alone, in bfloat16 on
all cores, until greedy search on the validation pairs reaches a BLEU (of lower-cased text, by
sacreBLEU). The clock runs from the start of the command to the end of the validation that says so:
all that a user waits for.
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

from benchmarks.environments import OURS, PEERS
from benchmarks.machine import description, is_idle

JOEYNMT = "joeynmt"
GOAL = 34.5
SCHEDULE = (
    "training.dtype=mixed_bfloat16",
    "training.steps=1200",
    "training.steps_per_epoch=200",
    "training.warmup_steps=150",
    "training.learning_rate=0.004",
    "training.label_smoothing=0",
    "model.dropout=0.3",
    "model.word_dropout=0",
)
"""Over the recipe, which is for the best model: no more steps and no more regularization than the
goal needs, and validated as often as the peer is.
"""
_BLEU = re.compile(r"\b(?:val_)?bleu:\s+([0-9.]+)")


def validations(name: str, command: Sequence[str], goal: float) -> list[tuple[float, float]]:
    """Let a training run until it reaches a goal.

    Args:
        name: Of the side.
        command: Prints a line with `bleu: ...` after each validation.
        goal: BLEU.

    Returns:
        Minutes since the start and BLEU, of each validation.

    Raises:
        RuntimeError: If it ends before that.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": "1"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    found: list[tuple[float, float]] = []
    started, line = time.perf_counter(), ""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = _BLEU.search(line)
            if told is None:
                continue
            found.append(((time.perf_counter() - started) / 60, float(told.group(1))))
            print(f"{name}: {found[-1][1]:.1f} after {found[-1][0]:.1f} min", flush=True)
            if found[-1][1] >= goal:
                process.kill()
                return found
    raise RuntimeError(f"{name} ended without a BLEU of {goal}: {line.strip()}")


def main() -> None:
    """Race, and print who needed how long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds multi30k/")
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
        found = {side: validations(side, command, args.bleu) for side, command in commands.items()}
    print(f"\n| side | minutes to {args.bleu} | BLEU of its validations |\n|---|---|---|")
    for side, seen in found.items():
        scores = ", ".join(f"{bleu:.1f}" for _, bleu in seen)
        print(f"| {side} | {seen[-1][0]:.1f} | {scores} |")
    ratio = found[JOEYNMT][-1][0] / found[OURS][-1][0]
    print(f"\nmulti30k-de-en to {args.bleu} ours/joeynmt {ratio:.2f}x\n\n{description()}")


if __name__ == "__main__":
    main()
