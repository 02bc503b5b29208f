"""Animate a decoding: its heat map of attention, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.pictures.heat_maps import heat_maps, installed_fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

    from keras_attention.text import Translation

_FRAMES_A_SECOND, _WHOLE, _DOTS = 2, 4, 100  # frames of the complete heat map; dots per inch
_BLUE, _GREY = np.array([0.03, 0.19, 0.42]), np.array([0.42, 0.42, 0.42])
_ARROW = "\n→ "


def animate(result: Translation, out: Path) -> str:
    """Draw the complete heat map, then a frame for each output token.

    Args:
        result: A translation by a model with attention.
        out: A .gif file.

    Returns:
        The characters that are missing from all installed fonts, which are drawn as boxes.

    Raises:
        ValueError: If the result has no attention weights.
    """
    from matplotlib.animation import PillowWriter

    from keras_attention.files import replacing

    with installed_fonts() as missing:
        figure = heat_maps([result])
        weights = np.asarray(result.attention)
        (axis,) = figure.axes
        frame, title = _row_frame(axis, result), axis.get_title("left")
        last = len(result.tokens) - 1
        writer = PillowWriter(fps=_FRAMES_A_SECOND)
        with replacing(out) as fresh, writer.saving(figure, str(fresh), _DOTS):
            for step in [*[last] * _WHOLE, *range(last + 1)]:
                _show(axis, frame, weights, step)
                axis.set_title(so_far(title, result, step), parse_math=False, loc="left")
                writer.grab_frame()
    return "".join(sorted(missing))


def so_far(title: str, result: Translation, step: int) -> str:
    """Return the title with the output up to a step, counted from 0."""
    if step == len(result.tokens) - 1:
        return title
    written = "".join(result.tokens[: step + 1]).replace("␣", " ").strip()
    return title[: title.rindex(_ARROW) + len(_ARROW) + len(written)]


def _row_frame(axis: Axes, result: Translation) -> Rectangle:
    """Add a frame around a row."""
    from matplotlib.patches import Rectangle

    width = len(result.source_tokens)
    frame = Rectangle((-0.5, -0.5), width, 1.0, fill=False, edgecolor=_BLUE, clip_on=False)
    axis.add_patch(frame)
    return frame


def _show(axis: Axes, frame: Rectangle, weights: np.ndarray, step: int) -> None:
    """Show the rows up to a step; frame the last one, and colour the source by its weights."""
    is_written = np.arange(len(weights)) <= step
    (image,) = axis.get_images()
    image.set_data(np.where(is_written[:, None], weights, np.nan))
    for label, there in zip(axis.get_yticklabels(), is_written, strict=True):
        label.set_alpha(float(there))
    for label, weight in zip(axis.get_xticklabels(), weights[step], strict=True):
        label.set_color(tuple(_GREY + weight * (_BLUE - _GREY)))
    frame.set_y(step - 0.5)
