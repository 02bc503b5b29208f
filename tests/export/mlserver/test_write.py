"""The files of an export for MLServer; tests/servers tests that it serves them."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path


def test_settings(exported: Path) -> None:
    folder = exported / "mlserver"
    assert {path.name for path in folder.iterdir()} == {
        "lengths.onnx",
        "model-settings.json",
        "runtime.py",
        "settings.json",
    }
    settings = json.loads((folder / "model-settings.json").read_text("utf-8"))
    assert settings["name"] == "toy"
    assert settings["parameters"]["extra"] == {"precision": "float32", "threads": 0}
    assert (folder / settings["parameters"]["uri"]).resolve() == exported.resolve()
    shapes = {value["name"]: value["shape"] for value in settings["inputs"] + settings["outputs"]}
    assert shapes == {"text": [-1], "translation": [-1, 3], "scores": [-1, 3]}


def test_the_runtime_needs_what_the_readme_tells_to_install(exported: Path) -> None:
    nodes = list(ast.walk(ast.parse((exported / "mlserver" / "runtime.py").read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    needed = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    installed = needed & {"mlserver", "numpy", "onnxruntime", "onnxruntime_extensions"}
    assert needed == installed
    line = "`pip install mlserver onnxruntime onnxruntime-extensions numpy`"
    assert line in (exported / "README.md").read_text("utf-8")
