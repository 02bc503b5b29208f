"""Refuse what cannot fit into memory before anything is allocated.

Numbers that come from a file or a person decide how much is allocated. Each estimate here is a
lower bound, so that nothing is refused that would fit.
"""

from __future__ import annotations

import os
from pathlib import Path

from keras_attention.stored import Architecture

LIMIT = "KERAS_ATTENTION_MEMORY"
"""The environment variable that replaces the free memory, in bytes: `2e10`."""

_FLOAT = 4
_GATES = {"lstm": 4, "gru": 3, "ln-lstm": 4}
_CGROUP = Path("/sys/fs/cgroup")


def check_fits(what: str, needed: float) -> None:
    """Raise `ValueError` if something needs more bytes than are free.

    Args:
        what: What needs them, for the error message.
        needed: A lower bound on the number of bytes.
    """
    free = free_bytes()
    if free is not None and needed > free:
        raise ValueError(
            f"{what} need at least {_readable(needed)} of memory. Received: {_readable(free)} are "
            f"free; set the environment variable {LIMIT} to a number of bytes to try nevertheless"
        )


def free_bytes() -> int | None:
    """The memory that this process can still allocate; None if nobody says.

    It is the limit that the user set, or the least of what the system and the process's group have.
    """
    asked = os.environ.get(LIMIT)
    if asked:
        try:
            return int(float(asked))
        except (ValueError, OverflowError):
            raise ValueError(
                f"The environment variable {LIMIT} must be a number of bytes. Received: {asked!r}"
            ) from None
    found = [size for size in (_of_system(), _of_group()) if size is not None]
    return min(found, default=None)


def _of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        rows = dict(line.split(":", 1) for line in lines)
        return 1024 * int(rows["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        pass
    try:  # macOS says how much there is, but not how much is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_group() -> int | None:
    """What the limit of a container leaves; files that are only cached can be dropped."""
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        rows = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = dict(row.split() for row in rows)["inactive_file"]
        return int(limit) - int(used) + int(cached)
    except (OSError, KeyError, ValueError):  # no group, or no limit: "max"
        return None


def weights(architecture: Architecture) -> int:
    """A lower bound on the number of weights: those of embeddings, recurrent layers and logits."""
    one = architecture
    units, size = one.decoder_units, one.embedding_size
    sides = 1 if one.tie_embeddings == "all" else 2
    vocabulary = one.target_vocabulary + (sides - 1) * one.source_vocabulary
    directions = 2 if one.encoder == "bilstm" else 1
    read = [size, *[directions * one.encoder_units] * (one.encoder_layers - 1)]
    encoder = sum(directions * 4 * one.encoder_units * (n + one.encoder_units) for n in read)
    read = [size, *[units] * (one.decoder_layers - 1)]
    decoder = sum(_GATES[one.decoder_cell] * units * (n + units) for n in read)
    written = one.attention_layer_units or units
    if one.readout is not None:
        written = one.readout_units or size
    logits = 0 if one.tie_embeddings else one.target_vocabulary * written
    return vocabulary * size + encoder + decoder + logits


def check_model(architecture: Architecture, copies: int = 1) -> None:
    """Raise `ValueError` if a model's weights, or several copies of them, do not fit."""
    check_fits(
        f"The weights of a model with vocabularies of {architecture.source_vocabulary:,} and "
        f"{architecture.target_vocabulary:,}, {architecture.encoder_units:,} encoder and "
        f"{architecture.decoder_units:,} decoder units",
        _FLOAT * copies * weights(architecture),
    )


def check_search(rows: int, width: int, max_length: int, attended: int) -> None:
    """Raise `ValueError` if the results of a search do not fit.

    Args:
        rows: The number of sources in a batch, B.
        width: The number of hypotheses for each, K.
        max_length: T.
        attended: S, the number of weights that are recorded at each step; 0 for none.
    """
    check_fits(
        f"The results of a search for {rows:,} sources with {width:,} hypotheses of "
        f"{max_length:,} tokens",
        _FLOAT * rows * width * max_length * (1 + attended),
    )


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
