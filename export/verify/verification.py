"""Verify each artefact in a separate process against the expected outputs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.files import checksum, size
from export.verify.answers import read_expected, search_of
from export.verify.artefacts import RUNNERS, Artefact, artefacts
from export.verify.compare import LIMITS, Comparison, Limits, compare
from export.verify.expected import Expected
from export.verify.inputs import SCORE, VerificationError, read_config
from keras_attention.export.checking import RUNTIMES, outputs_of, run_program
from keras_attention.export.formats import FLOAT32
from keras_attention.export.litert_workspace import ROOM
from keras_attention.export.runtimes.runner import Batches, Job
from keras_attention.stored import MOST_BYTES
from keras_attention.text.archives import UNREADABLE

THREADS = 1
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        format: `saved_model`, `tflite`, `onnx`, `browser`, or `keras` for the model itself.
        precision: The precision of the weights.
        file: The artefact, relative to the export; for the Keras model, to the run directory.
        runtime: The runtime.
        signature: The function of the artefact.
        comparison: The comparison with the outputs of the Keras model.
        latency_ms: The median over single inputs on one thread; None if the artefact did not run.
        size_bytes: The size of the file or of all files in the folder.
        sha256: The checksum, see `checksum`; None if the artefact is missing.
    """

    format: str
    precision: str
    file: str
    runtime: str
    signature: str
    comparison: Comparison
    latency_ms: float | None
    size_bytes: int
    sha256: str | None


def verify(
    out: str | Path,
    run: str | Path | None = None,
    *,
    data: Sequence[str | Path] = (),
    browser: bool = False,
    limits: Limits = LIMITS,
) -> list[Row]:
    """Run every artefact of an export in its own runtime.

    Args:
        out: The export.
        run: The run directory, to run the Keras model again; None for the outputs stored in the
            export.
        data: A file of source texts, and optionally one of their translations, instead of the
            stored inputs; requires `run`.
        browser: Whether to run the page as well, which requires Chromium.
        limits: What quantized weights may lose.

    Returns:
        A row for each artefact and signature; the row of an artefact that did not run has the
        reason.

    Raises:
        VerificationError: If the export or its reference is missing or invalid.
    """
    out = Path(out).resolve()
    config = read_config(out)
    paths = [Path(path) for path in data]
    run = None if run is None else Path(run)
    expected = read_expected(out, config, run, paths)
    return [
        row
        for artefact in artefacts(out, config, run, browser)
        for row in _verify_one(out, artefact, expected, config, limits)
    ]


def _verify_one(
    out: Path,
    artefact: Artefact,
    expected: Expected,
    config: Mapping[str, Any],
    limits: Limits,
) -> list[Row]:
    if not set(artefact.signatures) <= set(expected.answers):
        raise VerificationError(
            f"{out / 'config.json'} names {artefact.file}, whose function must be among "
            f"{sorted(expected.answers)}. Received: {artefact.signatures[0]!r}"
        )
    answers = {name: expected.answers[name] for name in artefact.signatures}
    is_exact = artefact.precision == FLOAT32 or artefact.signatures == ("translate",)
    found: dict[str, np.ndarray] = {}
    problem = None
    path = artefact.path
    on_disk = (size(path), checksum(path))
    if not path.exists():
        problem = "is missing"
    else:
        try:
            signature = artefact.signatures[0]
            inputs, timed = expected.inputs(signature), expected.timed(signature)
            found = _run(artefact, inputs, timed, config)
            if artefact.precision != FLOAT32 and signature == "translate":
                answers = {signature: _searched(artefact, expected, config)}
            if artefact.format == "tflite":
                _check_inside(out, path)
                _check_growing(artefact, expected, config)
        except RuntimeError as error:
            problem = str(error)
    rows = []
    for signature, batches in answers.items():
        if problem is None:
            comparison = compare(batches, outputs_of(found, signature))
        else:
            count = sum(len(next(iter(batch.values()))) for batch in batches.values())
            comparison = Comparison(count, problem=problem)
        if comparison.problem is None:
            losses = expected.losses(signature, outputs_of(found, signature))
            comparison = replace(comparison, **losses)
        if not is_exact:
            may_lose = limits.nats if signature == SCORE else limits.bleu
            comparison = replace(comparison, may_lose=may_lose)
        elapsed = found.get(f"{signature}/latency")
        latency = None if elapsed is None else float(np.median(elapsed))
        kind = (artefact.format, artefact.precision, artefact.file, artefact.runtime)
        rows.append(Row(*kind, signature, comparison, latency, *on_disk))
    return rows


def _searched(artefact: Artefact, expected: Expected, config: Mapping[str, Any]) -> Batches:
    """Return the expected outputs of a quantized `translate` file.

    They are those of the file with only its search, on exactly the same batches, because the
    rounding to 8 bits depends on the whole batch.
    """
    name = search_of(config)
    file = artefact.file.replace("translate", name)
    search = replace(artefact, file=file, signatures=(name,))
    found = _run(search, expected.text_ids, {}, config)
    return expected.translations(outputs_of(found, name))


def _check_growing(artefact: Artefact, expected: Expected, config: Mapping[str, Any]) -> None:
    """Check that no output of LiteRT depends on earlier calls.

    Raises:
        RuntimeError: If an output does, or could.
    """
    sources = expected.growing(ROOM * config["max_source_length"])
    found = _run(artefact, sources, {}, config, RUNTIMES / "grow_litert.py")
    calls, wrong, grown = (int(found[name]) for name in ("calls", "wrong", "grown"))
    if wrong:
        raise RuntimeError(
            f"gives wrong outputs in LiteRT for growing sources: {wrong} of {calls} calls in new "
            "interpreters (see docs/litert-workspace.md)"
        )
    if grown:
        raise RuntimeError(
            "may give wrong outputs in LiteRT for growing sources: XNNPACK's workspace grew to "
            f"{grown:,} bytes after the first call (see docs/litert-workspace.md)"
        )


def _run(
    artefact: Artefact,
    inputs: Batches,
    timed: Batches,
    config: Mapping[str, Any],
    program: Path | None = None,
) -> dict[str, np.ndarray]:
    """Run an artefact and return its outputs by `SIGNATURE/NNN/NAME`.

    Args:
        artefact: The artefact to run.
        inputs: The inputs.
        timed: Single inputs to time.
        config: The content of the export's `config.json`.
        program: The program that runs it; None for the one of the runtime.

    Raises:
        RuntimeError: If the runtime fails to load or run the artefact.
    """
    job = Job(
        artefact=str(artefact.path),
        signatures=artefact.signatures,
        threads=THREADS,
        start_id=config["decoder_start_id"],
        end_id=config["ids"]["end"],
        max_length=config["max_target_length"],
    )
    used = program or RUNNERS[artefact.runtime]
    try:
        return run_program(used, job, inputs, timed, importable=(RUNTIMES, _ROOT), of_runs=True)
    except RuntimeError as error:
        raise RuntimeError(f"does not run in {artefact.runtime}: {error}") from error


def _check_inside(out: Path, file: Path) -> None:
    """Check that a TFLite file ends with an archive that contains the tokenizers of the export."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open("config.json") as config:
            json.loads(config.read(MOST_BYTES[".json"]))
            names = ("source.model", "target.model")
            others = [name for name in names if not _holds(archive, name, out / name)]
    except UNREADABLE as error:
        raise RuntimeError(
            f"has no readable archive of tokenizers and config.json at its end: {error}"
        ) from error
    if others:
        raise RuntimeError(f"contains a {' and '.join(others)} that differs from the export's")


def _holds(archive: zipfile.ZipFile, name: str, file: Path) -> bool:
    """Whether a member of an archive is a file; it is not unpacked if it is larger."""
    content = file.read_bytes()
    with archive.open(name) as member:
        return member.read(len(content) + 1) == content
