"""What the README tells people to type is run as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import ROOT, blocks, dead_links, run_python

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("[A-Z]*.md"), *ROOT.glob("docs/**/*.md")]
)


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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    assert dead_links(document) == []


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `title`, or two\n[a](#a-title-or-two) [b](#b) [c](c.md) [d](page.md#e)\n")
    assert dead_links(str(page)) == ["#b", "c.md", "page.md#e"]
