"""Draw the weights of attention pooling: one row of characters per text, dark for large weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.classification.classifier import Answer
from training.corpora.colours import Labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _ROW, _GAP = 0.115, 0.26, 0.15  # inches: a character's width; its height; between rows
_LABELS = 0.9  # inches for the labels on the left


def to_show(examples: Sequence[Labelled], longest: int = 64) -> list[int]:
    """Select the examples to draw: for each label the first short one, whatever its answer."""
    first: dict[str, int] = {}
    for place, (text, label) in enumerate(examples):
        if len(text) <= longest:
            first.setdefault(label, place)
    return sorted(first.values())


def rows(examples: Sequence[Labelled], answers: Sequence[Answer]) -> Figure:
    """Draw characters with their weights; on the left, the answer and the label if they differ."""
    from matplotlib.figure import Figure

    columns = max(len(example.text) for example in examples)
    height = len(examples) * (_ROW + _GAP) + _GAP
    width = _LABELS + columns * _CELL + _GAP
    figure = Figure(figsize=(width, height))
    for place, (example, answer) in enumerate(zip(examples, answers, strict=True)):
        bottom = height - (place + 1) * (_ROW + _GAP)
        box = _LABELS / width, bottom / height, len(example.text) * _CELL / width, _ROW / height
        _draw(figure.add_axes(box), example, answer)
    return figure


def _draw(axis: Axes, example: Labelled, answer: Answer) -> None:
    if answer.weights is None:
        raise ValueError("Drawing requires pooling with attention. Received: weights=None")
    axis.imshow(answer.weights[None], cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for place, character in enumerate(example.text):
        colour = "white" if answer.weights[place] > 0.6 else "black"
        axis.text(place, 0, character, color=colour, ha="center", va="center", parse_math=False)
    is_right = answer.label == example.label
    label = answer.label if is_right else f"{answer.label}\n({example.label})"
    axis.set_yticks([0], [label])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_color("0.9")
