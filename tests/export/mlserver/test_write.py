"""The files of an export for MLServer; tests/servers tests that it serves them."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import export.mlserver
from keras_attention import stored
from keras_attention.export import inspection

BROUGHT_BY_MLSERVER = {"grpc", "h11", "orjson", "prometheus_client", "uvicorn"}


def test_settings(exported: Path) -> None:
    folder = exported / "mlserver"
    assert {path.name for path in folder.iterdir()} == {
        "deploy",
        "guard",
        "inspection",
        "lengths.onnx",
        "model-settings.json",
        "requirements.txt",
        "runtime.py",
        "serve.py",
        "settings.json",
        "stored",
    }
    for package in (inspection, stored):
        for path in (folder / package.__name__.rpartition(".")[2]).iterdir():
            source = Path(str(package.__file__)).with_name(path.name)
            assert path.read_bytes() == source.read_bytes()
    copied = {path.name for path in (folder / "stored").iterdir()}
    assert copied == {path.name for path in Path(stored.__file__).parent.glob("*.py")}
    sources = Path(export.mlserver.__file__).parent
    for path in (*sources.glob("guard/*.py"), sources / "serve.py"):
        assert (folder / path.relative_to(sources)).read_bytes() == path.read_bytes()
    settings = json.loads((folder / "model-settings.json").read_text("utf-8"))
    assert settings["name"] == "toy"
    assert settings["parameters"]["extra"] == {"precision": "float32", "threads": 0}
    assert (folder / settings["parameters"]["uri"]).resolve() == exported.resolve()
    shapes = {value["name"]: value["shape"] for value in settings["inputs"] + settings["outputs"]}
    assert shapes == {"text": [-1], "translation": [-1, 3], "scores": [-1, 3]}


def test_the_runtime_needs_what_the_readme_tells_to_install(exported: Path) -> None:
    files = (exported / "mlserver").rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    needed = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    needed -= {"guard", "inspection", "stored", *BROUGHT_BY_MLSERVER}
    needed -= {"yaml"}  # which `stored` needs for runs, not for exports
    assert needed == {"mlserver", "numpy", "onnxruntime", "onnxruntime_extensions"}
    line = "`pip install mlserver==1.7.1 onnxruntime onnxruntime-extensions numpy`"
    assert line in (exported / "README.md").read_text("utf-8")
