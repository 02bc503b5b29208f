"""What the README tells people to type is run as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import blocks, dead_links, run_python


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx's
def test_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(blocks("README.md", "python")) >= 4

    namespace = run_python("README.md")

    assert namespace["weights"].shape == (2, 7)
    assert namespace["best"].text == "vamos"
    assert "\nvamos -0.0" in capsys.readouterr().out
    assert (tmp_path / "my_model" / "saved_model.pb").exists()
    assert (tmp_path / "my_model.onnx").exists()


def test_links_lead_somewhere() -> None:
    assert dead_links("README.md") == []
