"""ONNX Runtime Web for the page: where it is loaded from, and the checksums of its files."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
CHECKSUMS = {
    SCRIPT: "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    WASM: "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}
"""In the form of the attribute `integrity`, of the files in the folder `dist` of npm's package."""
_CDN = f"https://cdn.jsdelivr.net/npm/{PACKAGE}@{VERSION}/dist/"


def checksum(content: bytes, algorithm: str = "sha384") -> str:
    """Return a checksum as the attribute `integrity` and content security policies write it."""
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


def read_runtime(package: str | Path) -> dict[str, bytes]:
    """Read the two files that the page needs from npm's package `onnxruntime-web`.

    Args:
        package: The folder of the package.

    Raises:
        ValueError: If it does not contain the files of this version.
    """
    files = {}
    for name, expected in CHECKSUMS.items():
        path = Path(package) / "dist" / name
        content = path.read_bytes() if path.is_file() else b""
        if checksum(content) != expected:
            raise ValueError(
                f"Argument `onnxruntime_web` must be the folder of npm's {PACKAGE} {VERSION}, "
                f"with dist/{name}. Received: {package}, where it is "
                f"{'another file' if content else 'missing'}"
            )
        files[name] = content
    return files


def with_runtime(page: str, is_local: bool) -> str:
    """Fill in the template of the page: its import map, and a policy that allows no other script.

    The import map has the address of the script, and the checksums of script and WebAssembly. The
    policy has the checksums of what stands between script tags in the page itself, so that a
    browser runs nothing else that gets there, and lets no text become a part of the page.

    Args:
        page: The template.
        is_local: Whether both files lie beside the page, rather than on a CDN.
    """
    base, far = ("./", "") if is_local else (_CDN, f" {_CDN}")
    addresses = {
        "imports": {PACKAGE: base + SCRIPT},
        "integrity": {base + name: value for name, value in CHECKSUMS.items()},
    }
    page = page.replace("$imports", json.dumps(addresses))
    inline = re.findall(r"<script[^>]*>(.+?)</script>", page, re.DOTALL)
    allowed = "".join(f" '{checksum(text.encode(), 'sha256')}'" for text in inline)
    policy = (
        "default-src 'none'",
        f"script-src 'self' 'wasm-unsafe-eval'{far}{allowed}",
        f"connect-src 'self'{far}",
        "style-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return page.replace("$policy", "; ".join(policy))
