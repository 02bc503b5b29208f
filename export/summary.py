"""The closing words of a demo: `python -m export.summary OUT`."""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_SHOWN = 8
_FILES = {
    "attention.png": "where the model looked, a row for each output",
    "source.model": "the source's tokenizer (SentencePiece)",
    "target.model": "the target's tokenizer",
    "config.json": "ids, lengths, signatures, versions",
    "examples.json": "inputs with the answers of the Keras model, for an app's own test",
    "reference.npz": "what the verification compared with",
    "verification.json": "the table above, for programs",
    "README.md": "how to run each file on its platform",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m export.summary", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that the export wrote")
    options = parser.parse_args(arguments)
    try:
        words = summary(options.out)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(words)
    return 0


def summary(out: Path) -> str:
    """Some translations, the table of the verification, and where everything lies.

    Args:
        out: An export.

    Raises:
        OSError: If a file of the export is missing.
        ValueError: If one does not hold what it should.
    """
    config = _read(out / "config.json")
    examples = _read(out / "examples.json")
    verification = _read(out / "verification.json", "Verify first: python -m export.verify")
    verdict = (
        "Every artefact gives the answers of the Keras model."
        if verification["passed"]
        else "Some artefacts do NOT give the answers of the Keras model."
    )
    parts = [
        "Held-out examples, never seen in training:",
        "\n".join(_translations(examples[:_SHOWN])),
        f"{verdict} Each ran in its own runtime, with {_threads(verification['threads'])}:",
        verification["table"],
        "Where everything lies:",
        "\n".join(_places(out, config)),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def _translations(examples: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    width = max((_columns(example["source"]) for example in examples), default=0)
    for example in examples:
        source = example["source"]
        yield f"  {source}{' ' * (width - _columns(source))}  ->  {example['target']}"


def _columns(text: str) -> int:
    """The width of a text on a terminal, where Chinese and Japanese letters take two columns."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _places(out: Path, config: Mapping[str, Any]) -> Iterator[str]:
    artefacts = {
        file: f"{kind.replace('_', ' ')}, {_size(out / file)}"
        for kind, files in config["artefacts"].items()
        for file in files
    }
    places = {name: what for name, what in {**artefacts, **_FILES}.items() if (out / name).exists()}
    width = max(len(str(out / name)) for name in places)
    for name, what in places.items():
        yield f"  {out / name!s:<{width}}  {what}"


def _size(path: Path) -> str:
    files = path.rglob("*") if path.is_dir() else [path]
    return f"{sum(f.stat().st_size for f in files if f.is_file()) / 1e6:.2f} MB"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _read(path: Path, advice: str = "Export first: python -m export") -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no {path}. {advice}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
