"""Report the results of a verification as a table, as JSON and in the README of the export."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from export.verify.compare import LIMITS, TIE, TOLERANCE
from export.verify.inputs import SCORE
from export.verify.verification import THREADS, Row
from keras_attention import files
from keras_attention.export.formats import FLOAT32

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
    "An input is tied if hypotheses of the Keras model itself are less than "
    f"{TIE:g} apart, so that rounding decides between them."
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
    """Return the content of `verification.json`."""
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
    """Return whether all artefacts passed."""
    return bool(rows) and all(row.comparison.passed for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Return the table, in Markdown that is readable as plain text."""
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
    """Return one line for each artefact that did not pass, beginning with the file name."""
    found = []
    for row in rows:
        comparison = row.comparison
        if comparison.problem:
            found.append(f"{row.file} {comparison.problem}")
        elif not comparison.passed and comparison.may_lose is not None:
            lost = f"loses {comparison.lost:.2f} BLEU against"
            if row.signature == SCORE:
                lost = f"is off by {comparison.lost:.3f} nats per token from"
            found.append(
                f"{row.file} ({row.signature}) {lost} the Keras model, more than "
                f"{comparison.may_lose}"
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
    """Return explanations of terms in the table."""
    return [TIED] if any(map(_ties, rows)) else []


def write(out: Path, rows: Sequence[Row]) -> None:
    """Write `verification.json`, and insert the table between the marks in `README.md`."""
    text = json.dumps(content(rows), indent=1, allow_nan=False) + "\n"
    files.write(out / "verification.json", text)
    readme = out / "README.md"
    before = readme.read_text(encoding="utf-8") if readme.exists() else ""
    files.write(readme, with_table(before, _section(rows)))


def with_table(text: str, section: str) -> str:
    """Return a README with the section between its marks, or at its end if there are none."""
    head, begins, rest = text.partition(_BEGINS)
    _, ends, tail = rest.partition(_ENDS)
    if not (begins and ends):
        head, tail = (text.rstrip() + "\n\n").lstrip("\n"), "\n"
    return f"{head}{_BEGINS}\n{section}\n{_ENDS}{tail}"


def _finite(x: Any) -> Any:
    """Replace infinity, which JSON does not have, by a word."""
    if isinstance(x, dict):
        return {key: _finite(value) for key, value in x.items()}
    return "infinite" if x == float("inf") else x


def _section(rows: Sequence[Row]) -> str:
    threads = "one thread" if THREADS == 1 else f"{THREADS} threads"
    bleu = _limit([row for row in rows if row.signature != SCORE], LIMITS.bleu)
    nats = _limit([row for row in rows if row.signature == SCORE], LIMITS.nats)
    return (
        f"{table(rows)}\n\nAn input is equal if all ids and lengths of all hypotheses (for "
        f"`translate`: all texts) are equal; scores and attention may differ by {TOLERANCE:g}. "
        f"{TIED} With float16 and int8 weights, ids need not be equal, but at most {bleu} BLEU "
        "may be lost, and `translate` must match the search with the same weights on ids. For "
        "`score`, the difference is the largest of a token's log-probability; with float16 and "
        "int8 weights, it is what the log-probability per token of a pair is off by, as the mean "
        f"over all pairs, and may be at most {nats} nats. Time: "
        f"median over single sentences, batch size 1, {threads}, {platform.machine()}."
    )


def _limit(rows: Sequence[Row], default: float) -> float:
    limits = (row.comparison.may_lose for row in rows)
    return next((limit for limit in limits if limit is not None), default)


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
        str(comparison.equal) if ran and row.signature != SCORE else "-",
        _difference(comparison.score_difference if is_exact else comparison.nats_off),
        _difference(comparison.attention_difference if is_exact else None),
        "-" if comparison.bleu is None else f"{comparison.bleu:.2f}",
        "-" if row.latency_ms is None else f"{row.latency_ms:.2f}",
        f"{row.size_bytes / 1e6:.2f} MB",
        verdict,
    ]


def _ties(row: Row) -> int:
    """Return the number of tied inputs; 0 for quantized weights, whose ids need not be equal."""
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
