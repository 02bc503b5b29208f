"""Draw an explanation: for each step, the attention weights and the most probable words."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from training.explanation.steps import Explanation, Look, Step
from training.explanation.text import largest, percent
from training.pictures.heat_maps import write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR, _AROUND, _WIDTH = 0.28, 0.9, 9.0  # inches: a bar; a step's title; the picture
_TITLE = 80  # characters per line
_BLUE, _GREEN, _GREY = "#4292c6", "#238b45", "0.75"


def plot(explanation: Explanation, out: Path, rows: int = 12) -> str:
    """Draw the steps, one below the other.

    Args:
        explanation: The explanation to draw.
        out: The file; its extension determines the format.
        rows: The maximum number of source tokens per step, those with the largest shares.

    Returns:
        The characters that are missing from all installed fonts, which are drawn as boxes.
    """
    return write(lambda: figure_of(explanation, rows), out)


def figure_of(explanation: Explanation, rows: int = 12) -> Figure:
    """Return the figure: a row of two charts for each step."""
    from matplotlib.figure import Figure

    heights = [_bars(step, rows) * _BAR + _AROUND for step in explanation.steps]
    figure = Figure(figsize=(_WIDTH, sum(heights) + _AROUND / 2), layout="constrained")
    title = textwrap.fill(f"{explanation.source} → {explanation.translation}", _TITLE)
    figure.suptitle(title, parse_math=False, fontweight="bold")
    axes = figure.subplots(
        len(heights), 2, squeeze=False, height_ratios=heights, width_ratios=(4, 3)
    )
    for step, (left, right) in zip(explanation.steps, axes, strict=True):
        left.set_title(f"Step {step.number}: it reads {step.reads}", parse_math=False, loc="left")
        if step.look is None:
            left.set_axis_off()
        else:
            _draw_shares(left, explanation.source_tokens, step.look, rows)
        _draw_words(right, step)
        for axis in (left, right):
            axis.set_ylim(_bars(step, rows) - 0.5, -0.5)
    return figure


def _bars(step: Step, rows: int) -> int:
    return max(len(step.shown_words), 0 if step.look is None else min(rows, len(step.look.shares)))


def _draw_shares(axis: Axes, tokens: list[str], look: Look, rows: int) -> None:
    places = largest(look.shares, rows)
    notes = [percent(float(look.shares[j])) for j in places]
    if len(look.heads) == 1:
        scores = (look.heads[0].scores[j] for j in places)
        notes = [f"{note}, score {score:.2f}" for note, score in zip(notes, scores, strict=True)]
    shares = [float(look.shares[j]) for j in places]
    _draw_bars(axis, [tokens[j] for j in places], shares, notes, [_BLUE] * len(places))
    hidden = len(look.shares) - len(places)
    axis.set_xlabel(
        "share of the attention" + (f", {hidden} more have less" if hidden else ""), loc="left"
    )


def _draw_words(axis: Axes, step: Step) -> None:
    words = step.shown_words
    colours = [_GREEN if word == step.writes else _GREY for word in words]
    chances = [word.probability for word in words]
    _draw_bars(axis, [word.token for word in words], chances, list(map(percent, chances)), colours)
    end = ", the end" if step.is_end else ""
    axis.set_title(f"It writes {step.writes.token}{end}", parse_math=False, loc="left")
    axis.set_xlabel("probability of the next word", loc="left")


def _draw_bars(
    axis: Axes, names: list[str], values: list[float], notes: list[str], colours: list[str]
) -> None:
    """Draw bars from top to bottom on a scale from 0 to 1, with notes at their ends."""
    bars = axis.barh(range(len(names)), values, color=colours)
    axis.bar_label(bars, notes, padding=3)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set_xlim(0.0, 1.5)
    axis.set_xticks([])
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
