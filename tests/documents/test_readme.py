"""The code in the README runs exactly as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, ROOT, blocks, dead_links, run_python


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx's
def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(blocks("README.md", "python")) >= 3

    namespace = run_python("README.md")

    assert namespace["weights"].shape == (2, 7)
    assert (tmp_path / "my_model" / "saved_model.pb").exists()
    assert (tmp_path / "my_model.onnx").exists()


def test_results_are_those_of_the_page_of_results() -> None:
    table = (ROOT / "README.md").read_text("utf-8").partition("\n## Results\n")[2]
    results = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    numbers = re.findall(r"\d[\d.,]*\d", " ".join(results))
    assert len(numbers) >= 8
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    assert [number for number in numbers if number not in page] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    assert dead_links(document) == []


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `title`, or two\n[a](#a-title-or-two) [b](#b) [c](c.md) [d](page.md#e)\n")
    assert dead_links(str(page)) == ["#b", "c.md", "page.md#e"]
