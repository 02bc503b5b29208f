"""Read the files of an export, and files of texts, for a verification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packaging.version import Version

from export.layout import PROJECT
from keras_attention import __version__
from keras_attention.export.operations import one_line
from keras_attention.export.runtimes.runner import Batches, read_batches
from keras_attention.stored import Example, StoredError, read_export, read_list
from keras_attention.text.lines import text_lines

SEARCHES, SCORE = ("greedy", "beam"), "score"
_NEEDED = {name: {f"{name}/{x}" for x in ("ids", "lengths", "scores")} for name in SEARCHES}
_NEEDED[SCORE] = {f"{SCORE}/log_probabilities", "target"}
_MOST_TEXTS = 100


class VerificationError(RuntimeError):
    """An export or its inputs are missing or invalid; the message names the file."""


def read_config(out: Path) -> dict[str, Any]:
    """Read the `config.json` of an export.

    Raises:
        VerificationError: If it is missing, invalid, or written by a newer version.
    """
    path = out / "config.json"
    try:
        config = asdict(read_export(out))
    except FileNotFoundError:
        raise VerificationError(f"{path} is missing") from None
    except StoredError as error:
        raise VerificationError(str(error)) from error
    written_by = config["versions"].get(PROJECT)
    if written_by is None:
        raise VerificationError(f"{path} does not say which version of {PROJECT} wrote it")
    if Version(written_by) > Version(__version__):
        raise VerificationError(
            f"{path} was written by {PROJECT} {written_by}, but this is {__version__}: verify with "
            "that version or a newer one"
        )
    return config


def read_texts(
    out: Path, config: Mapping[str, Any], data: Sequence[Path]
) -> tuple[Batches, list[dict[str, Any]]]:
    """Read inputs from text files, in the form of the reference and in that of the examples.

    Args:
        out: The export.
        config: The content of its `config.json`.
        data: A file of source texts, and optionally one of human translations.

    Raises:
        VerificationError: If a file cannot be read, the files differ in their number of lines, or a
            line does not fit the model.
    """
    from export.assets.reference import batches, extremes

    sides = [_lines(path) for path in data]
    if len(sides) > 1 and len(sides[0]) != len(sides[1]):
        raise VerificationError(
            f"{data[0]} and {data[1]} must have the same number of lines. "
            f"Received: {len(sides[0])} and {len(sides[1])}"
        )
    files = (out / f"{side}.model" for side in ("source", "target"))
    encoded = (read_tokenizer(file).encode(x) for file, x in zip(files, sides, strict=False))
    rows, *golds = ([[*ids, config["ids"]["end"]] for ids in side] for side in encoded)
    longest = config["max_source_length"]
    for number, row in enumerate(rows, start=1):
        if not 1 < len(row) <= longest:
            raise VerificationError(
                f"{data[0]}, line {number} must have 1 to {longest - 1} tokens. Received: "
                f"{len(row) - 1}"
            )
    first = extremes(rows, longest)
    targets = [[0]] * (len(first) + len(rows)) if not golds else [[0]] * len(first) + golds[0]
    pairs = zip(batches([*first, *rows]), batches(targets), strict=True)
    stored = {f"{i:03d}": {"source": s, "target": t} for i, (s, t) in enumerate(pairs)}
    texts = list(zip(sides[0], rows, strict=True))[:_MOST_TEXTS]
    return stored, [{"source": text, "source_ids": ids} for text, ids in texts]


def answered(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the functions whose outputs the reference contains; an older one has no `score`."""
    return (*SEARCHES, SCORE) if SCORE in config["signatures"] else SEARCHES


def read_reference(path: Path, signatures: Sequence[str] = SEARCHES) -> Batches:
    """Read `reference.npz`: `source`, `target` and the expected outputs of each batch.

    Args:
        path: The file.
        signatures: The functions whose outputs it must contain.

    Raises:
        VerificationError: If it is missing or incomplete.
    """
    try:
        stored = read_batches(path)
    except FileNotFoundError:
        raise VerificationError(f"{path} is missing") from None
    except Exception as error:  # NumPy parses the headers as Python, with errors of any kind
        raise VerificationError(f"{path} cannot be read: {one_line(error)}") from error
    complete = all(
        {"source"}.union(*(_NEEDED[name] for name in signatures)) <= set(batch)
        for batch in stored.values()
    )
    if not stored or not complete:
        raise VerificationError(
            f"{path} does not contain inputs with {' and '.join(signatures)} outputs"
        )
    return stored


def read_tokenizer(path: Path) -> Any:
    """Read a SentencePiece `.model` file.

    Raises:
        VerificationError: If it cannot be read.
    """
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor()
    try:
        tokenizer.LoadFromSerializedProto(path.read_bytes())
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise VerificationError(f"{path} cannot be read: {reason}") from error
    return tokenizer


def read_examples(path: Path) -> list[dict[str, Any]]:
    """Read `examples.json`: texts, ids, and the greedy outputs of the Keras model.

    Raises:
        VerificationError: If it is missing, or not what an export writes.
    """
    try:
        return [asdict(example) for example in read_list(path, Example)]
    except FileNotFoundError:
        raise VerificationError(f"{path} is missing") from None
    except StoredError as error:
        raise VerificationError(str(error)) from error


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            lines = list(text_lines(file, str(path)))
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise VerificationError(str(error)) from error
    if not lines:
        raise VerificationError(f"{path} has no lines")
    return lines
