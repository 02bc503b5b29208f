"""Compare training and decoding with other libraries: `python -m benchmarks.run`.

Every side of a case runs in its own process and environment, which is installed on first use
(several gigabytes in total). The sides work in turns, so that other load on the machine affects all
of them alike. The table has the median time of a run, its spread (the middle half), and ratios to
this project, computed turn by turn: 1.5x means that this project is 1.5 times as fast as the peer.
"ours, auto" compiles with XLA if `keras_attention.advice` advises it for 10,000 steps; "in any
precision", it also trains in bfloat16 if that is advised, as the training programs do by default.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, cast

from benchmarks.environments import AUTO, COMPILED, OPEN, OURS, PEERS, PRODUCTS, Peer
from benchmarks.machine import description, is_idle
from benchmarks.workloads import Case

CASES = [
    Case("W1", "train"),
    Case("W1", "train", length=30),
    Case("W1", "train", precision="bfloat16"),
    Case("W2", "train"),
    *(Case("W1", task, batch=batch) for task in ("greedy", "beam") for batch in (1, 32)),
]
GROWTH = [
    *(Case("W1", "train", length=length, batch=16) for length in (15, 60, 240, 480)),
    *(Case("W1", "train", batch=batch) for batch in (1, 8, 64, 512)),
    *(Case("W1", "train", vocabulary=vocabulary) for vocabulary in (1000, 64000)),
]
_TURN = 2.0  # seconds per turn


class Timing(NamedTuple):
    """The measurements of one side.

    Attributes:
        turns: The median seconds per run in each turn.
        runs: The seconds of every run.
        peak: The peak memory in MB above that after the imports.
        versions: The names and versions of the packages measured.
        load: The seconds from the end of the imports until the side is ready to run.
    """

    turns: list[float]
    runs: list[float]
    peak: float
    versions: str
    load: float


def command(peer: Peer, case: Case, *arguments: str) -> list[str]:
    """Return the command that runs a worker on a case."""
    module = f"benchmarks.workers.{peer.module}"
    given = json.dumps(dataclasses.asdict(case))
    return [str(peer.interpreter), "-m", module, given, *peer.options, *arguments]


def environment() -> dict[str, str]:
    """Return the environment variables of a worker."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path.cwd())}


class Side:
    """A worker process that is ready to run.

    Args:
        peer: The side.
        case: The case to run.

    Raises:
        RuntimeError: If the side does not support the case.
    """

    def __init__(self, peer: Peer, case: Case) -> None:
        self.errors = TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        self.process = subprocess.Popen(
            command(peer, case),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(),
        )
        try:
            ready = self._answer()
        except RuntimeError:
            self.__exit__()
            raise
        self.versions, self.load = ready["versions"], ready["load"]

    def run(self, count: int) -> dict[str, Any]:
        """Run `count` times, and return the seconds of each run and the peak memory."""
        print(count, file=cast(IO[str], self.process.stdin), flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            errors = self.errors.read().strip().splitlines()
            raise RuntimeError(errors[-1] if errors else f"exit status {status}")
        return dict(json.loads(line))

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def measure(
    case: Case, peers: Mapping[str, Peer], turns: int, seconds: float = _TURN, least: int = 3
) -> dict[str, Timing]:
    """Run a case on all sides in turns; a side that does not support it is reported and skipped.

    Args:
        case: The case.
        peers: The sides by their names.
        turns: The number of turns of each side.
        seconds: The length of a turn.
        least: The least number of runs in a turn.
    """
    with ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name, peer in peers.items():
            try:
                sides[name] = stack.enter_context(Side(peer, case))
            except RuntimeError as error:
                print(f"{case.name}: without {name}: {error}", file=sys.stderr)
        counts = {name: max(least, int(seconds / _seconds(side))) for name, side in sides.items()}
        answers: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(turns):
            for name, side in sides.items():
                answers[name].append(side.run(counts[name]))
        return {
            name: Timing(
                [median(answer["seconds"]) for answer in answers[name]],
                [seconds for answer in answers[name] for seconds in answer["seconds"]],
                answers[name][-1]["peak"],
                side.versions,
                side.load,
            )
            for name, side in sides.items()
        }


def _seconds(side: Side) -> float:
    return median(side.run(2)["seconds"])


def lines(case: Case, timings: dict[str, Timing]) -> list[str]:
    """Return the table rows of a case."""
    rows = []
    for name, timing in timings.items():
        low, _, high = quantiles(timing.runs, n=4)
        middle = median(timing.runs)
        ratio = ""
        if name != OURS and OURS in timings:
            pairs = zip(timings[OURS].turns, timing.turns, strict=True)
            ratio = f"{median(theirs / own for own, theirs in pairs):.2f}x"
        rows.append(
            f"| {case.name} | {name} | {1e3 * middle:.1f} | {1e3 * low:.1f} to {1e3 * high:.1f} "
            f"| {case.tokens / middle:,.0f} | {timing.peak:.0f} | {ratio} |"
        )
    return rows


def _takes_part(name: str, case: Case) -> bool:
    """Whether a side differs from "ours" in this case."""
    if name == OPEN and case.precision != "float32":
        return False
    return case.task == "train" or name not in (PRODUCTS, COMPILED, AUTO, OPEN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=7, help="turns of each side (7)")
    parser.add_argument(
        "--growth", action="store_true", help="vary length, batch size and vocabulary instead"
    )
    parser.add_argument(
        "--only", default="", help="run only cases whose names contain all these words"
    )
    parser.add_argument(
        "--sides", nargs="+", choices=PEERS, default=list(PEERS), help="the sides to run"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of each side (default: all)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table here")
    options = parser.parse_args(arguments)

    for name in options.sides:
        PEERS[name].install()
    if not is_idle():
        print("warning: this machine is busy; times may be too long.", file=sys.stderr)
    words = options.only.split()
    cases = GROWTH if options.growth else CASES
    chosen = [case for case in cases if all(word in case.name for word in words)]
    table = [
        "| case | side | ms | middle half | target tokens/s | peak MB | ours is |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(table), flush=True)
    versions: dict[str, str] = {}
    for case in chosen:
        case = dataclasses.replace(case, threads=options.threads)
        sides = {name: PEERS[name] for name in options.sides if _takes_part(name, case)}
        timings = measure(case, sides, options.turns)
        versions |= {name: timing.versions for name, timing in timings.items()}
        rows = lines(case, timings)
        print("\n".join(rows), flush=True)
        table += rows
    table += ["", description(), "", *(f"- {name}: {what}" for name, what in versions.items())]
    print("\n".join(table[-len(versions) - 3 :]))
    if options.out is not None:
        options.out.write_text("\n".join(table) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
