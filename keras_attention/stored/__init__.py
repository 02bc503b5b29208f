"""What run directories and exports store, one dataclass for each file that is read back.

Such files come from other people. Every field is typed and bounded, an unknown one is an error, and
so are sizes and depths beyond those of any real file: whatever a file holds, reading it ends within
a second, with a value of a known form or with a `StoredError` that names the file and the field.

`runs` and `exports` have the dataclasses, `bounds` the annotations of their fields. `reading` reads
YAML and JSON, `checking` makes values of a kind of them, and `showing` quotes what others wrote.

The folder imports the standard library alone (and PyYAML, to read YAML), and its own files by
relative names, so a program can load it by its path and read a file before it imports Keras;
`import keras_attention` would import it. The server of an export brings a copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .bounds import (
    DecoderCell,
)
from .checking import (
    StoredError,
    checked,
    choices_of,
)
from .exports import (
    Example,
    ExportConfig,
    Ids,
    Signature,
    TensorKind,
)
from .reading import (
    MOST_BYTES,
    check_extent,
    parsed,
    read_list,
    read_stored,
    read_text,
)
from .runs import (
    Architecture,
    CorpusData,
    Data,
    DatesData,
    Environment,
    Files,
    Optimization,
    PairsData,
    Progress,
    RunConfig,
    ScheduledSampling,
    Search,
    Tokenizers,
)
from .showing import (
    one_line,
    printable,
    shortened,
    shown,
)

__all__ = [
    "MOST_BYTES",
    "PROJECT",
    "Architecture",
    "CorpusData",
    "Data",
    "DatesData",
    "DecoderCell",
    "Environment",
    "Example",
    "ExportConfig",
    "Files",
    "Ids",
    "Optimization",
    "PairsData",
    "Progress",
    "RunConfig",
    "ScheduledSampling",
    "Search",
    "Signature",
    "StoredError",
    "TensorKind",
    "Tokenizers",
    "check_export",
    "check_extent",
    "check_run",
    "checked",
    "choices_of",
    "one_line",
    "parsed",
    "printable",
    "read_export",
    "read_list",
    "read_metrics",
    "read_stored",
    "read_text",
]

PROJECT = "keras-seq2seq-attention"
_OF_RUN = {"config.yaml": RunConfig, "checkpoints/state.json": Progress}


def check_run(folder: str | Path) -> None:
    """Read what a run directory stores, before slow imports: an error comes at once.

    Raises:
        StoredError: If one of the files is not what the program wrote.
    """
    try:
        for name, kind in _OF_RUN.items():
            read_stored(Path(folder) / name, kind)
        read_metrics(Path(folder) / "metrics.jsonl")
    except (FileNotFoundError, NotADirectoryError):
        return  # who needs the file says so


def check_export(folder: str | Path) -> None:
    """Read what an export stores; see `check_run`."""
    try:
        read_export(folder)
    except (FileNotFoundError, NotADirectoryError):
        return


def read_export(folder: str | Path) -> ExportConfig:
    """Read the `config.json` of an export.

    Raises:
        FileNotFoundError: If there is none.
        StoredError: If it is not what the program wrote.
    """
    path = Path(folder) / "config.json"
    tree = parsed(path)
    if not isinstance(tree, Mapping) or not tree.get("artefacts"):
        raise StoredError(f"{path} does not belong to an export: it names no artefacts")
    versions = tree.get("versions")
    own = versions.get(PROJECT) if isinstance(versions, Mapping) else None
    if not isinstance(own, str):
        raise StoredError(f"{path} does not say which version of {PROJECT} wrote it")
    try:
        return checked(ExportConfig, tree, "not as this version writes it")
    except StoredError as error:
        by = f"{PROJECT} {shortened(printable(own))}"
        raise StoredError(f"{path} was written by {by}, {error}") from None


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Read the `metrics.jsonl` of a run, numbers by name in each line; see `read_stored`."""
    path, rows = Path(path), []
    for number, line in enumerate(read_text(Path(path)).splitlines(), start=1):
        try:
            row = json.loads(line)
        except (RecursionError, ValueError):
            row = None
        if not isinstance(row, dict) or not all(isinstance(x, int | float) for x in row.values()):
            raise StoredError(
                f"{path}, line {number} must be an object of numbers, in JSON. "
                f"Received: {shown(line)}"
            )
        rows.append(row)
    return rows
