"""The contents of the documents: code, which tests run exactly as written, and links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("[A-Z]*.md"), *ROOT.glob("docs/**/*.md")]
)
"""All Markdown files: those at the top, such as the README, and the pages of the site."""
OWN_MODELS = ("model-on-a-phone", "model-in-onnx-runtime", "model-behind-a-server")
"""The guides that export a model of one's own."""
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def all_blocks(document: str) -> list[tuple[str, str]]:
    """Info string (such as "python") and code of each block of a document, in order."""
    return BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))


def blocks(document: str, info: str) -> list[str]:
    """The code of the blocks with this info string, in order."""
    return [code for name, code in all_blocks(document) if name == info]


def run(code: str, document: str, namespace: dict[str, object]) -> None:
    """Execute a block of a document."""
    exec(compile(code, document, "exec"), namespace)


def run_python(*documents: str) -> dict[str, Any]:
    """Run the Python blocks of documents in order, and return the namespace."""
    namespace: dict[str, Any] = {}
    for document in documents:
        code = blocks(document, "python")
        assert code
        for block in code:
            run(block, document, namespace)
    return namespace


def assert_same_figures(printed: str, told: str) -> None:
    """Assert that the last lines of an output have about the numbers that a document tells."""
    expected = told.splitlines()
    for line, other in zip(printed.splitlines()[-len(expected) :], expected, strict=True):
        numbers, others = (re.findall(r"[0-9.]*[0-9]", text) for text in (line, other))
        np.testing.assert_allclose(np.float64(numbers), np.float64(others), rtol=0.1)


def dead_links(document: str) -> list[str]:
    """The links of a document to files or headings that do not exist in the repository."""
    path = ROOT / document
    links = re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", path.read_text(encoding="utf-8")))
    return [link for link in links if "://" not in link and not _is_there(path, link)]


def _is_there(path: Path, link: str) -> bool:
    name, _, heading = link.partition("#")
    target = path.parent / name if name else path
    return target.exists() and (not heading or heading in _headings(target))


def _headings(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
