"""Which field of a date a digit comes from, and how well attention weights agree with that."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt


def _accepted(fields: str, letter: str) -> set[int]:
    """Positions of a field and of the whole separators that touch it."""
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
    """Where each character of a target comes from: what attention can be guided by.

    ```python
    >>> field_alignment("d-m", "07-11", order="dm").tolist()[1]  # the 7, of the day
    [1.0, 0.0, 0.0]

    ```

    Args:
        fields: the field letters of the source (`DateExample.fields`).
        target: the target; the digits before its first dash belong to the first field of `order`.
        order: the letters of the target's fields (`DateExample.order`).

    Returns:
        (T, S): 1 where a digit meets a character of its field, else 0; a dash comes from nowhere.
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
    """Count the output digits whose strongest weight lies in the right field of the source.

    The digits before the first dash of the output belong to the first field of `order`, those after
    it to the second, those after the second dash to the third; further ones have no right field.
    The separator directly before or after the field counts too, however long it is. Of equally
    strong weights the first is taken. A strongest weight on the end token or on padding is a miss,
    and so is a row without any weight.

    Args:
        fields: the field letters of the source (`DateExample.fields`).
        output: the model's output, one character for each row of `weights`.
        weights: attention weights (T, S), with T at least `len(output)` and S at least
            `len(fields)`: an end token and padding may follow.
        order: the letters of the output's fields; that of ISO is year, month, day.

    Returns:
        How many digits hit, and how many there are (the dashes are not counted).

    Raises:
        ValueError: if the weights are not a matrix of at least that size.
    """
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or matrix.shape[0] < len(output) or matrix.shape[1] < len(fields):
        raise ValueError(
            f"`weights` must be a matrix of at least {len(output)} output by {len(fields)} source "
            f"positions. Received: weights.shape={matrix.shape}"
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
