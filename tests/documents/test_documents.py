"""The code and the links of the documents other than the README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.arrays import to_numpy
from tests.documents import OWN_MODELS, ROOT, assert_same_figures, blocks, run_python


def test_whole_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = run_python("docs/whole-sequences.md")
    ids = np.array([[3, 4, 5], [6, 7, 0]])
    assert found["model"].predict(ids, verbose=0).shape == (2, 11)
    where = found["where"].predict(ids, verbose=0)
    np.testing.assert_allclose(where.sum(-1), 1.0, rtol=1e-5)
    assert where[1, 2] == 0.0
    assert found["context"].shape == (2, 5, 8)
    assert np.all(to_numpy(found["weights"])[1, :, 2:] == 0.0)
    assert found["summary"].shape == (2, 8)


def test_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_python("docs/guides/gaps.md")
    capsys.readouterr()
    weights = found["weights"]
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
    assert weights[0, 2] == 0.0
    assert not weights[1, 4:].any()
    assert np.isfinite(found["prediction"]).all()
    assert found["features"].shape == (None, None, 6)


@pytest.mark.thorough
def test_own_data_and_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run_python("docs/guides/own-data.md", "docs/guides/search.md")
    assert found["best"].text == "vamos"
    assert capsys.readouterr().out.startswith("vamos -0.0")
    assert found["found"].ids.shape[:2] == (3, 4)
    assert [len(others) for others in found["others"]] == [3, 3]


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx's
@pytest.mark.parametrize("page", OWN_MODELS)
def test_own_models(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(f"docs/guides/{page}.md")
    *_, told = blocks(f"docs/guides/{page}.md", "text")
    assert_same_figures(capsys.readouterr().out, told)


@pytest.mark.thorough
def test_images() -> None:
    found = run_python("docs/guides/images.md")
    rows, columns = ("top", "middle", "bottom"), ("left", "center", "right")
    assert found["captions"] == [f"{row} {column}" for row in rows for column in columns]
    assert found["looked"].shape == (9, 4, 3, 3)
    np.testing.assert_allclose(found["looked"][:, :3].sum((2, 3)), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "page", sorted(path.name for path in (ROOT / "docs" / "mechanisms").glob("[a-z]*.md"))
)
def test_mechanisms(page: str) -> None:
    run_python(f"docs/mechanisms/{page}")


@pytest.mark.thorough
def test_litert_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_python("docs/litert-workspace.md")
    assert (tmp_path / "forecast.tflite").stat().st_size > 1000
