"""Draw where a model looked: `python -m training.plot_attention RUN [TEXT ...] --out FILE.png`.

One picture for each text, below each other: a row for each output token, a column for each source
token, dark where the weight is large. Without a text: some that training never saw.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from keras_attention import Translation

FONTS = ["DejaVu Sans", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS", "Hiragino Sans"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m training.plot_attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what to translate")
    parser.add_argument("--out", required=True, type=Path, help="a .png, .svg or .pdf file")
    options = parser.parse_args(arguments)

    from keras_attention import Translator
    from keras_attention.runs import RunDirectory

    try:
        translator = Translator.from_run(options.run)
        texts = options.texts or examples(RunDirectory(options.run).held_out())
        plot(translator(texts), options.out)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {options.out}")
    return 0


def examples(pairs: Sequence[tuple[str, str]], count: int = 3) -> list[str]:
    """Held-out sources to show: fairly long ones, in Latin letters, which every font has."""
    fitting = [source for source, _ in pairs if len(source) > 14 and source[0] < "\u0250"]
    return (fitting or [source for source, _ in pairs])[:count]


def plot(results: Sequence[Translation], out: Path) -> None:
    """Draw one heat map for each result, below each other.

    Args:
        results: Translations of a model with attention.
        out: The file; its ending says which format.

    Raises:
        ValueError: If a result has no attention to draw.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shapes = [(len(result.tokens), len(result.source_tokens)) for result in results]
    width = 0.3 * max(columns for _, columns in shapes) + 2.0
    heights = [0.3 * rows + 1.2 for rows, _ in shapes]
    with matplotlib.rc_context({"font.family": FONTS, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(
            len(results),
            squeeze=False,
            figsize=(width, sum(heights)),
            height_ratios=heights,
            layout="constrained",
        )
        for axis, result in zip(axes[:, 0], results, strict=True):
            draw(axis, result)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=150)
        pyplot.close(figure)


def draw(axis: Axes, result: Translation) -> None:
    """One heat map: source tokens from left to right, output tokens from top to bottom."""
    if result.attention is None or not result.tokens:
        raise ValueError(
            "A picture needs a model with attention and a text that is not empty. "
            f"Received: {len(result.tokens)} output tokens, "
            f"attention={'none' if result.attention is None else 'there'}"
        )
    axis.imshow(result.attention, cmap="Blues", vmin=0.0, vmax=1.0, aspect="equal")
    axis.set_xticks(range(len(result.source_tokens)), result.source_tokens)
    axis.set_yticks(range(len(result.tokens)), result.tokens)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom", "left"):
        axis.spines[side].set_visible(False)
    axis.set_xticks([x - 0.5 for x in range(1, len(result.source_tokens))], minor=True)
    axis.set_yticks([y - 0.5 for y in range(1, len(result.tokens))], minor=True)
    axis.grid(which="minor", color="0.9", linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    axis.set_title(f"{''.join(result.source_tokens[:-1])}  →  {result.text}".replace("␣", " "))


if __name__ == "__main__":
    sys.exit(main())
