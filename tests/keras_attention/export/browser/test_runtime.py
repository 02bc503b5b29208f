"""The page's import map and content security policy, and ONNX Runtime Web from a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from keras_attention.export.browser import write
from keras_attention.export.browser.runtime import read_runtime, with_runtime

TEMPLATE = (Path(write.__file__).with_name("page") / "index.html").read_text("utf-8")
SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


@pytest.mark.parametrize("is_local", [False, True])
def test_the_policy_allows_what_the_page_has_and_nothing_else(is_local: bool) -> None:
    page = with_runtime(TEMPLATE, is_local)
    (policy,) = re.findall(r'"Content-Security-Policy" content="([^"]*)"', page)
    rules = {name: values for name, *values in map(str.split, policy.split("; "))}
    assert rules["default-src"] == ["'none'"]
    inline = {text for _, text in SCRIPT.findall(page) if text}
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline}
    assert {x[8:-1] for x in rules["script-src"] if x.startswith("'sha256-")} == hashes
    others = {x for x in rules["script-src"] if not x.startswith("'sha256-")}
    cdn = set() if is_local else {"https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/"}
    assert others == {"'self'", "'wasm-unsafe-eval'"} | cdn
    assert set(rules["connect-src"]) == {"'self'"} | cdn
    assert not re.search(r"<[^>]* (on\w+|style)=", page), "the policy refuses such attributes"
    (imports,) = (text for attributes, text in SCRIPT.findall(page) if "importmap" in attributes)
    addresses = json.loads(imports)
    script, wasm = addresses["integrity"]
    assert addresses["imports"] == {"onnxruntime-web": script}
    assert [script.rpartition("/")[0] + "/"] == (["./"] if is_local else [*cdn])
    assert wasm.endswith(".wasm")


def test_another_package_than_the_pages_runtime_is_refused(tmp_path: Path) -> None:
    message = r"`onnxruntime_web` must be the folder of npm's onnxruntime-web 1\.30\.0, with dist/"
    with pytest.raises(ValueError, match=f"{message}.*, where it is missing"):
        read_runtime(tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "ort.wasm.bundle.min.mjs").write_text("export default 5;", "utf-8")
    with pytest.raises(ValueError, match=f"{message}.*, where it is another file"):
        read_runtime(tmp_path)
