"""Run the campaigns: `python -m benchmarks.campaigns [PART ...]`, again to go on after a cut.

They need a trained run of the dates recipe and its export, as `make demo` leaves them. What was
tried stands in the folder `--work`, one file for each part; without it they begin anew. The program
prints a table, and fails unless every part was completed without a failure.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.campaigns.journal import Job, Journal, Part
from benchmarks.machine import description
from export.program import guarded

PARTS = ("kills", "inputs", "files", "phone", "server", "service")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.campaigns",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}: all")
    parser.add_argument("--run", type=Path, default=Path("runs/dates"), help="%(default)s")
    parser.add_argument("--out", type=Path, default=Path("exported/dates"), help="%(default)s")
    parser.add_argument("--work", type=Path, default=Path(".campaigns"), help="%(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="a factor for the number of trials and the length of the server's and service's parts",
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = sorted({*options.parts} - {*PARTS})
    if unknown:
        parser.error(f"argument PART: expected any of {', '.join(PARTS)}. Received: {unknown}")
    run, out, work = (path.resolve() for path in (options.run, options.out, options.work))
    job = Job(run, out, work, options.seed, options.scale)
    parts: Sequence[str] = options.parts or PARTS
    work_of = _try_here if options.here else _try
    return guarded(lambda: work_of(job, parts), failed=1)


def _try_here(job: Job, parts: Sequence[str]) -> int:
    (part,) = parts
    _journal(job, part).go_on(_trials(part)(job))
    return 0


def _try(job: Job, parts: Sequence[str]) -> int:
    for part in parts:
        _run(job, part)
    return _report(job, parts)


def _trials(part: str) -> Part:
    found: Part = importlib.import_module(f"benchmarks.campaigns.{part}").trials
    return found


def _journal(job: Job, part: str) -> Journal:
    return Journal(job.work / f"{part}-{job.seed}-{job.scale:g}.jsonl")


def _run(job: Job, part: str) -> None:
    """Run a part in its own process, again after a trial that killed it."""
    if _journal(job, part).is_complete:
        return
    print(f"{part} ...", flush=True)
    places = ["--run", str(job.run), "--out", str(job.out), "--work", str(job.work)]
    numbers = ["--seed", str(job.seed), "--scale", str(job.scale)]
    command = [sys.executable, "-m", "benchmarks.campaigns", part, "--here", *places, *numbers]
    while _journal(job, part).note_end(subprocess.run(command).returncode):
        pass


def _report(job: Job, parts: Sequence[str]) -> int:
    print("\n| part | tried | failed | seconds |\n|---|---|---|---|")
    journals = {part: _journal(job, part) for part in parts}
    cut = {part for part, journal in journals.items() if not journal.is_complete}
    for part, journal in journals.items():
        failed = len(journal.failed)
        note = f"{failed + 1}, cut" if part in cut else f"{failed}"
        print(f"| {part} | {journal.tried:,} | {note} | {journal.seconds:,.0f} |")
    print(f"\nSeed {job.seed}. {description()}")
    return int(bool(cut) or any(journal.failed for journal in journals.values()))


if __name__ == "__main__":
    sys.exit(main())
