"""The field of a date that each digit comes from, and how well attention weights agree with it."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt


def _accepted(fields: str, letter: str) -> set[int]:
    """Return the positions of a field and of the separators next to it."""
    runs: list[tuple[str, range]] = []
    for run_letter, group in groupby(fields):
        start = runs[-1][1].stop if runs else 0
        runs.append((run_letter, range(start, start + len(list(group)))))
    accepted: set[int] = set()
    for place, (run_letter, positions) in enumerate(runs):
        neighbors = {name for name, _ in runs[max(place - 1, 0) : place + 2]}
        if run_letter == letter or (run_letter == "-" and letter in neighbors):
            accepted.update(positions)
    return accepted


def field_alignment(fields: str, target: str, order: str = "ymd") -> npt.NDArray[np.float32]:
    """Return the reference alignment of a target, which can guide attention.

    ```python
    >>> field_alignment("d-m", "07-11", order="dm").tolist()[1]  # the 7, of the day
    [1.0, 0.0, 0.0]

    ```

    Args:
        fields: The field letters of the source (`DateExample.fields`).
        target: The target; the digits before its first dash belong to the first field of `order`.
        order: The letters of the target's fields (`DateExample.order`).

    Returns:
        An array (T, S): 1 for a digit and a character of its field, else 0. The row of a dash is
        all 0.
    """
    letters = np.array(list(fields))
    alignment = np.zeros((len(target), len(fields)), "float32")
    part = 0
    for row, character in enumerate(target):
        if character == "-":
            part += 1
        else:
            alignment[row] = letters == order[part]
    return alignment


def field_hits(
    fields: str, output: str, weights: npt.ArrayLike, order: str = "ymd"
) -> tuple[int, int]:
    """Count the output digits whose largest weight is on the correct field of the source.

    The digits before the first dash of the output belong to the first field of `order`, those after
    it to the second, and those after the second dash to the third; further digits never hit. The
    separators directly before and after a field count as part of it. Of equally large weights, the
    first counts. A digit misses if its largest weight is on the end token or on padding, or if its
    row has no weight at all.

    Args:
        fields: The field letters of the source (`DateExample.fields`).
        output: The model's output, one character per row of `weights`.
        weights: Attention weights (T, S), with T at least `len(output)` and S at least
            `len(fields)`: an end token and padding may follow.
        order: The letters of the output's fields; defaults to the ISO order: year, month, day.

    Returns:
        The number of hits and the number of digits; dashes are not counted.

    Raises:
        ValueError: If `weights` is not a matrix of at least this size.
    """
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or matrix.shape[0] < len(output) or matrix.shape[1] < len(fields):
        raise ValueError(
            f"Argument `weights` must have a shape of at least ({len(output)}, {len(fields)}): "
            f"output and source positions. Received: weights.shape={matrix.shape}"
        )
    if not output or not fields:
        return 0, sum(character.isdigit() for character in output)
    accepted = [_accepted(fields, letter) for letter in order]
    strongest = matrix.argmax(axis=1)
    hits = digits = dashes = 0
    for row, character in enumerate(output):
        position = int(strongest[row])
        if character == "-":
            dashes += 1
        elif character.isdigit():
            digits += 1
            inside = dashes < len(accepted) and position in accepted[dashes]
            hits += inside and bool(matrix[row, position] > 0)
    return hits, digits
