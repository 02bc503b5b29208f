"""How long until it translates well: `python -m benchmarks.race --data DIR`.

This project and JoeyNMT learn Multi30k's German to English from the text alone, at the same time,
in bfloat16, on one thread each, until greedy search on the validation pairs reaches a BLEU (of
lower-cased text, by sacreBLEU). The clock runs from the start of the command to the end of the
validation that says so: all that a user waits for.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environments import OURS, PEERS
from benchmarks.machine import description, is_idle

JOEYNMT = "joeynmt"
GOAL = 34.5
SCHEDULE = (
    "training.dtype=mixed_bfloat16",
    "training.steps=2000",
    "training.steps_per_epoch=200",
    "training.warmup_steps=200",
)
"""Over the recipe: as short as the goal allows, validated as often as the peer is."""
_BLEU = re.compile(r"\b(?:val_)?bleu:\s+([0-9.]+)")


def validations(command: Sequence[str], thread: int, goal: float) -> list[tuple[float, float]]:
    """Let a training run until it reaches a goal.

    Args:
        command: Prints a line with `bleu: ...` after each validation.
        thread: The only hardware thread that it may use.
        goal: BLEU.

    Returns:
        Minutes since the start and BLEU, of each validation.

    Raises:
        RuntimeError: If it ends before that.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    found: list[tuple[float, float]] = []
    started, line = time.perf_counter(), ""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, [thread]),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = _BLEU.search(line)
            if told is None:
                continue
            found.append(((time.perf_counter() - started) / 60, float(told.group(1))))
            print(f"{Path(command[-1]).name}: {found[-1][1]:.1f} after {found[-1][0]:.1f} min")
            if found[-1][1] >= goal:
                process.kill()
                return found
    raise RuntimeError(f"{' '.join(command)}: no BLEU of {goal}, but: {line.strip()}")


def main() -> None:
    """Race, and print who needed how long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds multi30k/")
    parser.add_argument("--bleu", type=float, default=GOAL, help="the goal (%(default)s)")
    args = parser.parse_args()
    threads = sorted(os.sched_getaffinity(0))
    if len(threads) < 2:
        parser.error("a thread for each side is needed, and here is one")
    if not is_idle():
        print("note: this machine is not idle.", file=sys.stderr)
    PEERS[JOEYNMT].install()
    with TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        text = [str(args.data / "multi30k" / f"{{}}.{language}") for language in ("de", "en")]
        module = "benchmarks.workers.joeynmt_training"
        own = ["--recipe", "multi30k-de-en", "--data", str(args.data)]
        own += list(SCHEDULE)
        commands = {
            OURS: [sys.executable, "-m", "training.train", *own, "--out", f"{name}/{OURS}"],
            JOEYNMT: [str(PEERS[JOEYNMT].interpreter), "-m", module, *text, f"{name}/{JOEYNMT}"],
        }
        (Path(name) / JOEYNMT).mkdir()
        runs = [
            pool.submit(validations, command, thread, args.bleu)
            for command, thread in zip(commands.values(), threads, strict=False)
        ]
        found = dict(zip(commands, (run.result() for run in runs), strict=True))
    print(f"\n| side | minutes to {args.bleu} | BLEU of its validations |\n|---|---|---|")
    for side, seen in found.items():
        scores = ", ".join(f"{bleu:.1f}" for _, bleu in seen)
        print(f"| {side} | {seen[-1][0]:.1f} | {scores} |")
    ratio = found[JOEYNMT][-1][0] / found[OURS][-1][0]
    print(f"\nmulti30k-de-en to {args.bleu} ours/joeynmt {ratio:.2f}x\n\n{description()}")


if __name__ == "__main__":
    main()
