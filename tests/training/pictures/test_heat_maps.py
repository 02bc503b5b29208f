from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from keras_attention.text import Translation
from tests.arrays import uniform
from tests.variants import variants
from training.pictures.heat_maps import examples, heat_maps, plot


def translation(text: str, source: str) -> Translation:
    tokens, source_tokens = [*text, "⏎"], [*source.replace(" ", "␣"), "⏎"]
    attention = np.abs(uniform(len(tokens), len(source_tokens), seed=len(source)))
    return Translation(text, -1.0, tokens, source_tokens, attention, is_complete=True)


def test_a_heat_map_for_each_result() -> None:
    results = [translation("1979-05-03", "3 may 1979"), translation("ab", "xyz")]
    axes = heat_maps(results).axes
    assert len(axes) == 2
    for axis, result in zip(axes, results, strict=True):
        (shown,) = axis.get_images()
        np.testing.assert_array_equal(shown.get_array(), result.attention)
        assert shown.get_clim() == (0.0, 1.0)
        columns = [label.get_text() for label in axis.get_xticklabels()]
        rows = [label.get_text() for label in axis.get_yticklabels()]
        assert (columns, rows) == (result.source_tokens, result.tokens)
        assert axis.get_xticks().tolist() == list(range(len(columns)))
        assert axis.get_yticks().tolist() == list(range(len(rows)))
    assert [axis.get_title("left") for axis in axes] == ["3 may 1979\n→ 1979-05-03", "xyz\n→ ab"]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@variants(
    ("columns", "text", "rows"),
    [
        (["␣one", "␣two"], " ".join(["zwei"] * 30), ["␣zwei"] * 30),
        (["␣quite"] * 40, "a", ["a"]),
        (["a", "b"], "Donaudampfschifffahrtsgesellschaft", ["␣Donaudampfschifffahrtsgesells"]),
        (["語"] * 40, "日本" * 20, ["日本"] * 20),
    ],
    core=4,
)
@pytest.mark.parametrize("names", [("",), ("softmax", "sparsemax")])
def test_nothing_is_cut_off_nor_on_top_of_each_other(
    columns: list[str], text: str, rows: list[str], names: tuple[str, ...]
) -> None:
    columns, rows = [*columns, "⏎"], [*rows, "⏎"]
    attention = np.ones((len(rows), len(columns)))
    result = Translation(text, -1.0, rows, columns, attention, is_complete=True)
    figure = heat_maps([result, result], names)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    whole = figure.bbox
    for axis in figure.axes:
        texts = [child for child in axis.get_children() if isinstance(child, Text)]
        (title,) = (child for child in texts if child.get_text())
        labels = axis.get_xticklabels()
        for drawn in (title, *labels, *axis.get_yticklabels()):
            box = drawn.get_window_extent()
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1, drawn.get_text()
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1, drawn.get_text()
        boxes = [label.get_window_extent() for label in labels]
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
        assert not any(title.get_window_extent().overlaps(box) for box in boxes)
        assert title.get_text().replace("\n", "").endswith(text[-5:])
        square = axis.get_window_extent()
        assert square.width / len(columns) > 0.29 * figure.dpi
    first, second = (axis.get_tightbbox() for axis in figure.axes)
    assert first is not None
    assert second is not None
    assert not first.overlaps(second)


def test_models_stand_side_by_side_and_texts_below_each_other() -> None:
    texts = [translation("1979-05-03", "3 may 1979"), translation("ab", "xyz")]
    figure = heat_maps([text for text in texts for _ in range(3)], ("one", "two", "three"))
    titles = [axis.get_title("left").split("\n") for axis in figure.axes]
    assert [title[0] for title in titles] == ["one", "two", "three"] * 2
    assert [title[1] for title in titles] == ["3 may 1979"] * 3 + ["xyz"] * 3
    corners = np.array([axis.get_position().corners()[1] for axis in figure.axes]).reshape(2, 3, 2)
    assert np.all(np.diff(corners[..., 0], axis=1) > 0)  # from left to right
    assert np.all(np.diff(corners[..., 1], axis=0) < 0)  # from top to bottom
    np.testing.assert_allclose(corners[:, :1, 1].repeat(3, axis=1), corners[..., 1])


def test_large_weights_are_dark_and_the_first_token_is_on_top(tmp_path: Path) -> None:
    """A single weight of one in the upper right corner: that part of the picture is darkest."""
    attention = np.zeros((5, 7), "float32")
    attention[0, 6] = 1.0
    result = Translation("abcd", -1.0, list("abcd⏎"), list("tuvwxy⏎"), attention, is_complete=True)
    assert plot([result], tmp_path / "corner.png") == ""
    picture = image.imread(tmp_path / "corner.png")[:, :, :3]
    blue = (picture[:, :, 2] > picture[:, :, 0] + 0.3) & (picture[:, :, 0] < 0.2)
    rows, columns = np.nonzero(blue)
    height, width = blue.shape
    assert blue.sum() > 100
    assert rows.mean() < height / 2
    assert columns.mean() > width / 2


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("b.svg", b"<?xml"), ("c.pdf", b"%PDF")]
)
def test_formats(tmp_path: Path, name: str, start: bytes) -> None:
    out = tmp_path / "new" / name
    plot([translation("ab", "xyz")], out)
    assert out.read_bytes().startswith(start)


def test_characters_that_no_font_has_are_told_and_drawn_as_boxes(tmp_path: Path) -> None:
    """No font has the last code point of the Linear B block; CJK depends on the machine."""
    unknown = plot([translation("1979", "1979年5月3日\U000100fa")], tmp_path / "cjk.png")
    assert set("\U000100fa") <= set(unknown) <= set("年月日\U000100fa")
    assert (tmp_path / "cjk.png").stat().st_size > 1000


def test_dollars_are_text_and_no_formula(tmp_path: Path) -> None:
    result = translation("$^$", "$x_{$ and $\\$")
    assert plot([result], tmp_path / "dollars.svg") == ""
    svg = (tmp_path / "dollars.svg").read_text(encoding="utf-8")
    assert "$x_{$ and $\\$" in svg
    assert "→ $^$" in svg


def test_a_model_without_attention_is_an_error(tmp_path: Path) -> None:
    without = Translation("a", -1.0, ["a", "⏎"], ["b", "⏎"], None, is_complete=True)
    with pytest.raises(ValueError, match=r"requires attention weights .* no attention weights"):
        plot([without], tmp_path / "x.png")
    empty = Translation("", 0.0, [], ["⏎"], np.zeros((0, 1)), is_complete=True)
    with pytest.raises(ValueError, match=r"at least one output token. Received: 0 output tokens"):
        plot([empty], tmp_path / "x.png")
    with pytest.raises(ValueError, match="at least one text"):
        plot([], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_examples_are_long_and_in_letters_that_every_font_has() -> None:
    pairs = [
        (source, "") for source in ("3 may", "2024年5月3日（金曜日）です。。", "friday 3 may 1979")
    ]
    assert examples(pairs) == ["friday 3 may 1979"]
    assert examples([pairs[2], pairs[2], pairs[0]]) == ["friday 3 may 1979"]
    assert examples(pairs[:2]) == ["3 may", "2024年5月3日（金曜日）です。。"]
