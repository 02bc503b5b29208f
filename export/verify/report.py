"""The result of a verification as a table, as JSON and in the export's README."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from export.layout import FLOAT32
from export.verify.compare import MOST_BLEU_LOST, TIE, TOLERANCE
from export.verify.verification import THREADS, Row

_BEGINS, _ENDS = "<!-- verification -->", "<!-- /verification -->"
_COLUMNS = (
    "format",
    "runtime",
    "signature",
    "inputs",
    "equal ids",
    "score difference",
    "attention difference",
    "BLEU",
    "ms per sentence",
    "size",
    "result",
)
_NUMBERS = slice(3, 10)
TIED = (
    f"Tied is an input for which the Keras model itself had hypotheses less than {TIE:g} apart, of "
    "which rounding takes one."
)
_NAMES = {
    "keras": "Keras",
    "saved_model": "SavedModel",
    "tflite": "TFLite",
    "onnx": "ONNX",
    "browser": "page",
}
_RUNTIMES = (
    "tensorflow",
    "tensorflow-text",
    "openvino",
    "ai-edge-litert",
    "onnxruntime",
    "onnxruntime-extensions",
)


def content(rows: Sequence[Row]) -> dict[str, Any]:
    """What `verification.json` holds."""
    return {
        "passed": passed(rows),
        "tolerance": TOLERANCE,
        "threads": THREADS,
        "runtimes": {name: metadata.version(name) for name in _RUNTIMES if _is_installed(name)},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "rows": [_finite({**asdict(row), "passed": row.comparison.passed}) for row in rows],
        "table": table(rows),
    }


def passed(rows: Sequence[Row]) -> bool:
    """Whether all artefacts passed."""
    return bool(rows) and all(row.comparison.passed for row in rows)


def table(rows: Sequence[Row]) -> str:
    """The table, in Markdown that reads well as it is."""
    lines = [list(_COLUMNS), *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    numeric = set(range(len(_COLUMNS))[_NUMBERS])
    rule = ["-" * (w - 1) + (":" if i in numeric else "-") for i, w in enumerate(widths)]
    padded = [
        [
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in (lines[0], rule, *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def problems(rows: Sequence[Row]) -> list[str]:
    """One line for each artefact that did not pass; it names the file."""
    found = []
    for row in rows:
        comparison = row.comparison
        if comparison.problem:
            found.append(f"{row.file} {comparison.problem}")
        elif not comparison.passed and comparison.may_lose is not None:
            found.append(
                f"{row.file} ({row.signature}) loses {comparison.bleu_lost:.2f} BLEU of the Keras "
                f"model's, more than {comparison.may_lose}"
            )
        elif not comparison.passed:
            found.append(
                f"{row.file} ({row.signature}) differs from the Keras model: "
                f"{comparison.differing} of {comparison.inputs} inputs, "
                f"scores by up to {_difference(comparison.score_difference)}, "
                f"attention by up to {_difference(comparison.attention_difference)}"
            )
    return list(dict.fromkeys(found))


def notes(rows: Sequence[Row]) -> list[str]:
    """What the table says that needs a word."""
    return [TIED] if any(map(_ties, rows)) else []


def write(out: Path, rows: Sequence[Row]) -> None:
    """Write `verification.json`, and the table into `README.md` between its marks."""
    text = json.dumps(content(rows), indent=1, allow_nan=False) + "\n"
    (out / "verification.json").write_text(text, encoding="utf-8")
    readme = out / "README.md"
    before = readme.read_text(encoding="utf-8") if readme.exists() else ""
    readme.write_text(with_table(before, _section(rows)), encoding="utf-8")


def with_table(text: str, section: str) -> str:
    """A README with the section between its marks; where it has none, at its end."""
    head, begins, rest = text.partition(_BEGINS)
    _, ends, tail = rest.partition(_ENDS)
    if not (begins and ends):
        head, tail = (text.rstrip() + "\n\n").lstrip("\n"), "\n"
    return f"{head}{_BEGINS}\n{section}\n{_ENDS}{tail}"


def _finite(x: Any) -> Any:
    """JSON has no infinity: a word instead."""
    if isinstance(x, dict):
        return {key: _finite(value) for key, value in x.items()}
    return "infinite" if x == float("inf") else x


def _section(rows: Sequence[Row]) -> str:
    threads = "one thread" if THREADS == 1 else f"{THREADS} threads"
    limits = (row.comparison.may_lose for row in rows)
    may_lose = next((limit for limit in limits if limit is not None), MOST_BLEU_LOST)
    return (
        f"{table(rows)}\n\nEqual means all ids and lengths of all hypotheses (for `translate`: all "
        f"texts); scores and attention may differ by {TOLERANCE:g}. {TIED} With weights in fewer "
        f"bits ids need not be equal, but no more than {may_lose} BLEU may be lost, and "
        f"`translate` must give what the search in the same bits gives on ids. Time: the "
        f"median of single sentences, batch 1, {threads}, {platform.machine()}."
    )


def _cells(row: Row) -> list[str]:
    comparison = row.comparison
    ran = comparison.problem is None
    is_exact = comparison.may_lose is None
    verdict = "ok" if comparison.passed else "DIFFERS" if ran else "FAILED"
    if _ties(row):
        verdict += f", {_ties(row)} tied"
    return [
        _NAMES[row.format] + (f" {row.precision}" if row.precision != FLOAT32 else ""),
        row.runtime,
        row.signature,
        str(comparison.inputs),
        str(comparison.equal) if ran else "-",
        _difference(comparison.score_difference if is_exact else None),
        _difference(comparison.attention_difference if is_exact else None),
        "-" if comparison.bleu is None else f"{comparison.bleu:.2f}",
        "-" if row.latency_ms is None else f"{row.latency_ms:.2f}",
        f"{row.size_bytes / 1e6:.2f} MB",
        verdict,
    ]


def _ties(row: Row) -> int:
    """How many inputs were tied; with weights in fewer bits ids need not be equal anyway."""
    return row.comparison.tied if row.comparison.may_lose is None else 0


def _difference(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1e}" if value else "0"


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
