"""What stands in the documents that people read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def blocks(document: str, info: str) -> list[str]:
    """The code of a document's blocks with this info string, in order."""
    pattern = rf"^```{re.escape(info)}\n(.*?)^```$"
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)


def run_python(document: str) -> dict[str, Any]:
    """Run a document's Python, block after block, and give what it has defined."""
    namespace: dict[str, Any] = {}
    code = blocks(document, "python")
    assert code
    for block in code:
        exec(compile(block, document, "exec"), namespace)
    return namespace


def dead_links(document: str) -> list[str]:
    """The files that a document links to and that are not there."""
    path = ROOT / document
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert targets
    return [target for target in targets if not (path.parent / target).exists()]
