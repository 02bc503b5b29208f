"""Draw attention weights: one heat map per translation."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from keras_attention.text import Translation

FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS", "Hiragino Sans")
FORMATS = (".png", ".svg", ".pdf")
_CELL, _GAP, _LEAST_TITLE = 0.3, 0.2, 2.0  # inches: a cell; a gap; the minimum title width


def examples(pairs: Sequence[tuple[str, str]], count: int = 3) -> list[str]:
    """Choose held-out sources to draw: longer ones in Latin letters, which every font has."""
    sources = list(dict.fromkeys(source for source, _ in pairs))
    fitting = [source for source in sources if len(source) > 14 and max(source) < "\u0250"]
    return (fitting or sources)[:count]


def plot(results: Sequence[Translation], out: Path, names: Sequence[str] = ("",)) -> str:
    """Draw one heat map per result, one below the other; several models are side by side.

    Args:
        results: Translations by models with attention, grouped by text if there are several models.
        out: See `write`.
        names: The names of the models, if there are several.

    Returns:
        See `write`.

    Raises:
        ValueError: If there are no results, one has no attention weights, or the file extension is
            unknown.
    """
    return write(lambda: heat_maps(results, names), out)


def write(make: Callable[[], Figure], out: Path) -> str:
    """Write a figure, with installed fonts for as many languages as possible.

    Args:
        make: A function that returns the figure.
        out: The file; its extension determines the format.

    Returns:
        The characters that are missing from all installed fonts, which are drawn as boxes.

    Raises:
        ValueError: If the file extension is unknown.
    """
    from keras_attention.files import replacing

    if out.suffix not in FORMATS:
        raise ValueError(f"The file must end in one of {', '.join(FORMATS)}. Received: {out}")
    with installed_fonts() as missing:
        figure = make()
        with replacing(out) as fresh:
            figure.savefig(fresh, dpi=150)
    return "".join(sorted(missing))


@contextmanager
def installed_fonts() -> Iterator[set[str]]:
    """Use installed fonts for as many languages as possible while drawing.

    Yields:
        A set that on exit contains the characters missing from all these fonts.
    """
    import matplotlib
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    fonts = [font for font in FONTS if font in installed]
    missing: set[str] = set()
    with (
        matplotlib.rc_context({"font.family": fonts, "svg.fonttype": "none"}),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        yield missing
    numbers = (re.match(r"Glyph (\d+)", str(warning.message)) for warning in caught)
    missing.update(chr(int(number[1])) for number in numbers if number)


def heat_maps(results: Sequence[Translation], names: Sequence[str] = ("",)) -> Figure:
    """Return the figure of `plot`; takes the same arguments and raises the same errors."""
    from matplotlib.figure import Figure

    if not results:
        raise ValueError("There must be at least one text to draw. Received: none")
    figure = Figure()
    axes = [figure.add_axes((0, 0, 1, 1), label=str(place)) for place in range(len(results))]
    titles = [
        draw(axis, result, name)
        for axis, result, name in zip(axes, results, cycle(names), strict=False)
    ]
    _arrange(figure, axes, titles, len(names))
    return figure


def _arrange(figure: Figure, axes: Sequence[Axes], titles: Sequence[Text], columns: int) -> None:
    """Lay out the heat maps by the measured size of their cells, labels and titles."""

    def inches(texts: Sequence[Text]) -> tuple[float, float]:
        boxes = [text.get_window_extent() for text in texts]
        width, height = max(box.width for box in boxes), max(box.height for box in boxes)
        return float(width) / figure.dpi, float(height) / figure.dpi

    maps, tops = [], []
    for axis, title in zip(axes, titles, strict=True):
        rows, across = len(axis.get_yticks()), len(axis.get_xticks())
        maps.append((_CELL * across, _CELL * rows))
        _wrap(title, inches([title])[0], max(_CELL * across, _LEAST_TITLE))
        tops.append(inches([title])[1] + inches(axis.get_xticklabels())[1] + 2 * _GAP)
    lefts, edges = [], [0.0]
    for i in range(columns):
        lefts.append(max(inches(axis.get_yticklabels())[0] for axis in axes[i::columns]) + _GAP)
        widest = max(map_width for map_width, _ in maps[i::columns])
        edges.append(edges[-1] + lefts[-1] + max(inches(titles[i::columns])[0], widest) + _GAP)
    rows_of_maps = range(0, len(axes), columns)
    top_of = [max(tops[i : i + columns]) for i in rows_of_maps]
    height_of = [max(map_height for _, map_height in maps[i : i + columns]) for i in rows_of_maps]
    width, height = edges[-1], sum(top_of) + sum(height_of) + _GAP
    figure.set_size_inches(width, height)
    for place, (axis, (map_width, map_height)) in enumerate(zip(axes, maps, strict=True)):
        row, column = divmod(place, columns)
        roof = height - sum(top_of[: row + 1]) - sum(height_of[:row])
        left, floor = edges[column] + lefts[column], roof - map_height
        axis.set_position((left / width, floor / height, map_width / width, map_height / height))


def _wrap(title: Text, inches: float, most: float) -> None:
    """Wrap a title that is `inches` wide into lines of at most `most` inches."""
    lines = title.get_text().split("\n")
    letters = max(1, int(max(map(len, lines)) * most / inches))
    title.set_text("\n".join(textwrap.fill(line, letters) for line in lines))


def draw(axis: Axes, result: Translation, name: str = "") -> Text:
    """Draw one heat map: source tokens from left to right, output tokens from top to bottom.

    Returns:
        The title: the name of the model, if given, the source and the output.
    """
    if result.attention is None or not result.tokens:
        raise ValueError(
            "Drawing requires attention weights and at least one output token. "
            f"Received: {len(result.tokens)} output tokens, "
            f"{'no ' if result.attention is None else ''}attention weights"
        )
    axis.imshow(result.attention, cmap="Blues", vmin=0.0, vmax=1.0, aspect="equal")
    axis.set_xticks(range(len(result.source_tokens)), result.source_tokens, parse_math=False)
    axis.set_yticks(range(len(result.tokens)), result.tokens, parse_math=False)
    axis.xaxis.tick_top()
    if max(map(len, result.source_tokens)) > 2:  # horizontal labels would overlap
        for label in axis.get_xticklabels():
            label.set_rotation(90.0 if len(label.get_text()) > 1 else 0.0)
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom", "left"):
        axis.spines[side].set_visible(False)
    axis.set_xticks([x - 0.5 for x in range(1, len(result.source_tokens))], minor=True)
    axis.set_yticks([y - 0.5 for y in range(1, len(result.tokens))], minor=True)
    axis.grid(which="minor", color="0.9", linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    source = "".join(result.source_tokens[:-1]).replace("␣", " ").strip()
    title = f"{name}\n" * bool(name) + f"{source}\n→ {result.text}"
    return axis.set_title(title, parse_math=False, loc="left")
