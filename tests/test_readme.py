"""What the README tells people to type is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(info: str) -> list[str]:
    """The code of the README's blocks with this info string, in order."""
    pattern = rf"^```{re.escape(info)}\n(.*?)^```$"
    return re.findall(pattern, README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx's
def test_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    code = blocks("python")
    assert len(code) >= 4

    for block in code:
        exec(compile(block, str(README), "exec"), namespace)

    assert namespace["weights"].shape == (2, 7)
    assert namespace["best"].text == "vamos"
    assert "\nvamos -0.0" in capsys.readouterr().out
    assert (tmp_path / "my_model" / "saved_model.pb").exists()
    assert (tmp_path / "my_model.onnx").exists()


def test_links_lead_somewhere() -> None:
    text = re.sub(r"^```.*?^```$", "", README.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert targets
    assert [target for target in targets if not (README.parent / target).exists()] == []
