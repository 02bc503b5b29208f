"""The code common to all runners: read a job from a file, and write the outputs to a file.

A runner is a process that runs an artefact in its runtime, without access to the expected outputs.
It may import NumPy and the runtime, and fails if a forbidden module was imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Batches = dict[str, Arrays]
Function = Callable[..., Arrays]
Opener = Callable[[str, str, int], Function]
Watch = Callable[[], AbstractContextManager[list[int]]]
HOST_LOOP = "encode + decode_step"
FAILED = 3
_ROUNDS = 3


@dataclass(frozen=True)
class Job:
    """The task of a runner.

    Attributes:
        artefact: The file or folder.
        signatures: The names of the functions, or `HOST_LOOP`.
        inputs: An `.npz` file of `NNN/NAME`, the input NAME of batch NNN.
        outputs: The `.npz` file to write: `SIGNATURE/NNN/NAME`, and `SIGNATURE/latency` in ms.
        timed: An `.npz` file of single inputs without padding, to time one by one.
        threads: The number of threads of the runtime.
        calls: The batches NNN that each signature is called with; None for all of them.
        watched: Whether to record the memory that the runtime allocates after the first call.
        start_id, end_id, max_length: Settings for the loop on the host.
    """

    artefact: str
    signatures: tuple[str, ...]
    inputs: str = ""
    outputs: str = ""
    timed: str = ""
    threads: int = 1
    calls: Mapping[str, Sequence[str]] | None = None
    watched: bool = False
    start_id: int = 1
    end_id: int = 2
    max_length: int = 0

    def write(self, path: Path, **files: str) -> None:
        """Write the job for `main`, with the names of its files."""
        path.write_text(json.dumps(asdict(self) | files), encoding="utf-8")


def main(
    opener: Opener,
    forbidden: Sequence[str],
    takes_one_row: Callable[[Job, str], bool] = lambda job, signature: False,
    watched: Watch | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the job in the file given on the command line.

    Args:
        opener: `opener(artefact, signature, threads)` returns a function of named arrays.
        forbidden: Modules that must not be imported.
        takes_one_row: Whether a signature of the artefact takes only a batch size of 1.
        watched: `watched()` is a context that records the sizes of the runtime's allocations.
        arguments: The command-line arguments.

    Returns:
        0, or `FAILED` after one line on stderr.
    """
    return do(lambda job: _run(job, opener, takes_one_row, watched), forbidden, arguments)


def do(
    work: Callable[[Job], Arrays], forbidden: Sequence[str], arguments: Sequence[str] | None = None
) -> int:
    """Run a function on the job in the file given on the command line; see `main`.

    Args:
        work: A function from the job to its output arrays.
        forbidden: Modules that must not be imported.
        arguments: The command-line arguments.
    """
    (path,) = sys.argv[1:] if arguments is None else arguments
    job = Job(**json.loads(Path(path).read_text(encoding="utf-8")))
    try:
        outputs = work(job)
        imported = [name for name in forbidden if name in sys.modules]
        if imported:
            raise RuntimeError(f"the runtime must not import {', '.join(imported)}")
    except Exception as error:
        print(_one_line(error), file=sys.stderr)
        return FAILED
    with Path(job.outputs).open("wb") as file:
        np.savez(file, **outputs)  # type: ignore[arg-type]  # its stub takes names for flags
    return 0


def _run(
    job: Job,
    opener: Opener,
    takes_one_row: Callable[[Job, str], bool],
    watched: Watch | None,
) -> Arrays:
    outputs: Arrays = {}
    sizes: list[int] = []
    inputs, timed = read_batches(job.inputs), read_batches(job.timed)
    with ExitStack() as after_first:
        for signature in job.signatures:
            function = function_of(job, signature, opener)
            by_row = takes_one_row(job, signature)
            for number in inputs if job.calls is None else job.calls[signature]:
                batch = inputs[number]
                found = _row_by_row(function, batch) if by_row else function(**batch)
                outputs |= {f"{signature}/{number}/{name}": x for name, x in found.items()}
                if job.watched and watched is not None:
                    sizes, watched = after_first.enter_context(watched()), None
            if timed:
                outputs[f"{signature}/latency"] = _latency(function, list(timed.values()))
    if job.watched:
        outputs["grown"] = np.array(max(sizes, default=0))
    return outputs


def read_batches(path: str | Path) -> Batches:
    """Read the arrays `NNN/NAME` of a file as a nested mapping from NNN to NAME to array."""
    batches: Batches = {}
    with Path(path).open("rb") as file, np.load(file) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            batches.setdefault(number, {})[name] = arrays[key]
    return batches


def function_of(job: Job, signature: str, opener: Opener) -> Function:
    """Return a signature of the artefact, or the loop on the host that uses two of them."""
    if signature != HOST_LOOP:
        return opener(job.artefact, signature, job.threads)
    encode, decode_step = (
        opener(job.artefact, name, job.threads) for name in ("encode", "decode_step")
    )
    return lambda source: greedy_on_host(encode, decode_step, source, job)


def greedy_on_host(encode: Function, decode_step: Function, source: np.ndarray, job: Job) -> Arrays:
    """Run greedy search as an application would, with `encode` and `decode_step` only."""
    carried = encode(source=source)
    rows = len(source)
    ids = np.zeros((rows, 1, job.max_length), "int32")
    scores, lengths = np.zeros((rows, 1), "float32"), np.zeros((rows, 1), "int32")
    weights = np.zeros((rows, 1, job.max_length, source.shape[1]), "float32")
    tokens, live = np.full(rows, job.start_id, "int32"), np.ones(rows, bool)
    for time_step in range(job.max_length):
        found = decode_step(tokens=tokens, **carried)
        best = found["log_probs"].argmax(axis=-1)
        tokens = np.where(live, best, 0).astype("int32")
        ids[:, 0, time_step] = tokens
        scores[live, 0] += found["log_probs"].max(axis=-1)[live]
        if "weights" in found:
            weights[live, 0, time_step] = found["weights"][live]
        lengths[live] += 1
        live &= tokens != job.end_id
        if not live.any():
            break
        states = {name: x for name, x in found.items() if name.startswith("next_state_")}
        carried |= {name.removeprefix("next_"): x for name, x in states.items()}
    attention = {"attention": weights} if "memory" in carried else {}
    return {"ids": ids, "lengths": lengths, "scores": scores, **attention}


def check_has(signature: str, names: Sequence[str]) -> None:
    """Raise `ValueError` unless the artefact has this signature."""
    if signature not in names:
        raise ValueError(f"the file has no function `{signature}`, but {sorted(names)}")


def _row_by_row(function: Function, batch: Mapping[str, np.ndarray]) -> Arrays:
    sizes = {name: len(x) for name, x in batch.items()}
    size = min(sizes.values())
    if not 0 < size == max(sizes.values()):
        raise ValueError(f"all inputs must have the same rows, at least one. Received: {sizes}")
    rows = [function(**{k: x[i : i + 1] for k, x in batch.items()}) for i in range(size)]
    if size == 1:
        return rows[0]
    return {name: np.concatenate([np.atleast_1d(row[name]) for row in rows]) for name in rows[0]}


def _latency(function: Function, singles: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return the milliseconds of each call, after one warm-up call for each input."""
    for single in singles:
        function(**single)
    elapsed = []
    for single in _ROUNDS * list(singles):
        begin = time.perf_counter()
        function(**single)
        elapsed.append(1e3 * (time.perf_counter() - begin))
    return np.array(elapsed)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:300]
