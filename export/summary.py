"""Summarize a verified export: `python -m export.summary OUT`."""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from export.files import checksum, size
from export.program import guarded
from programs.library import stored

_SHOWN = 8
_FILES = {
    "attention.png": "attention weights, one row per output token",
    "source.model": "the source's tokenizer (SentencePiece)",
    "target.model": "the target's tokenizer",
    "config.json": "ids, lengths, signatures, versions",
    "examples.json": "inputs with the outputs of the Keras model, for testing an app",
    "reference.npz": "the outputs of the Keras model that the verification compared with",
    "verification.json": "the results of the verification, for programs",
    "README.md": "how to run each file on its platform",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m export.summary", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that the export wrote")
    options = parser.parse_args(arguments)
    return guarded(lambda: _show(options.out), failed=1, out=options.out)


def _show(out: Path) -> int:
    words, good = summary(out)
    print(stored().printable(words, lines=True))
    return 0 if good else 1


def summary(out: Path) -> tuple[str, bool]:
    """Return some translations, the table of the verification, and a list of files.

    Args:
        out: An export.

    Returns:
        The text, and whether all artefacts are unchanged since they passed the verification.

    Raises:
        OSError: If a file of the export is missing.
        ValueError: If a file is invalid.
    """
    config = _read(out / "config.json")
    examples = _read(out / "examples.json")
    verification = _read(out / "verification.json", "Verify first: python -m export.verify")
    try:
        verdict, good = _verdict(out, config, verification)
        parts = [
            "Held-out examples, never seen in training:",
            "\n".join(_translations(examples[:_SHOWN])),
            verdict,
            "Files:",
            "\n".join(_places(out, config)),
            f"To translate your own text, see the code for each runtime in {out / 'README.md'}",
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"The JSON files in {out} were not written by export and verify: {error!r}"
        ) from error
    return "\n" + "\n\n".join(parts) + "\n", good


def _verdict(
    out: Path, config: Mapping[str, Any], verification: Mapping[str, Any]
) -> tuple[str, bool]:
    """Return the verdict with the table, and whether all artefacts passed."""
    unverified = list(_unverified(out, config, verification["rows"]))
    if unverified:
        lines = "\n".join(f"  {line}" for line in unverified)
        return (
            "NOT VERIFIED: some artefacts have not been verified.\n\n"
            f"{lines}\n\n"
            f"If something is missing, export again: python -m export RUN {out}\n"
            f"Then verify again: python -m export.verify {out}"
        ), False
    good = bool(verification["passed"])
    verdict = (
        "All artefacts match the Keras model."
        if good
        else "Some artefacts do NOT match the Keras model."
    )
    ran = f"Each ran in its own runtime, with {_threads(verification['threads'])}:"
    return f"{verdict} {ran}\n\n{verification['table']}", good


def _unverified(
    out: Path, config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield a line for each artefact that the rows do not cover."""
    verified = {row["file"]: row["sha256"] for row in rows}
    for file in chain.from_iterable(config["artefacts"].values()):
        found = checksum(out / file)
        if found is None:
            yield f"{file} is missing"
        elif verified.get(file) is None:
            yield f"{file} is new and has not been verified"
        elif verified[file] != found:
            yield f"{file} has changed since it was verified"


def _translations(examples: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = [
        [stored().printable(example[side]) for side in ("source", "target")] for example in examples
    ]
    width = max((_columns(source) for source, _ in shown), default=0)
    for source, target in shown:
        yield f"  {source}{' ' * (width - _columns(source))}  ->  {target}"


def _columns(text: str) -> int:
    """Return the number of terminal columns of a text; East Asian characters take two each."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _places(out: Path, config: Mapping[str, Any]) -> Iterator[str]:
    artefacts = {
        file: f"{kind.replace('_', ' ')}, {_size(out / file)}"
        for kind, files in config["artefacts"].items()
        for file in files
    }
    places = artefacts | {name: what for name, what in _FILES.items() if (out / name).exists()}
    width = max(len(str(out / name)) for name in places)
    for name, what in places.items():
        yield f"  {out / name!s:<{width}}  {what}"


def _size(path: Path) -> str:
    return f"{size(path) / 1e6:.2f} MB" if path.exists() else "MISSING"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _read(path: Path, advice: str = "Export first: python -m export") -> Any:
    try:
        return stored().parsed(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no {path}. {advice}") from None


if __name__ == "__main__":
    sys.exit(main())
