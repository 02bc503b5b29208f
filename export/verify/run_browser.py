"""Run the page of an export in headless Chromium, with the page's own scripts."""

from __future__ import annotations

import atexit
import functools
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from keras_attention.export.runtimes.runner import Arrays, Function

LOCAL = "ONNXRUNTIME_WEB"
"""The environment variable for a folder with npm's onnxruntime-web, to use instead of the CDN."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # the sandbox needs privileges that containers lack
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 120.0
_PAGE = """<!doctype html>
<meta charset="utf-8">
%s
<script type="module">
  const post = async (path, body) => {
    const response = await fetch(path, { method: "POST", body: JSON.stringify(body) });
    return response.json();
  };
  try {
    const { Translator } = await import("./translator.js");
    const translator = await Translator.load();
    const session = await translator.session(%s, "float32");
    for (let texts = await post("/answers", null); ; ) {
      const answers = [];
      for (const text of texts) {
        const { hypotheses } = await translator.translate(text, session);
        answers.push(hypotheses);
      }
      texts = await post("/answers", answers);
    }
  } catch (error) {
    await post("/problem", error.message);
  }
</script>
"""


class _Server(ThreadingHTTPServer):
    """Serves the files of an export and a page that fetches texts and posts translations."""

    daemon_threads = True

    def __init__(self, out: Path, search: str) -> None:
        handler = functools.partial(_Handler, directory=str(out))
        super().__init__(("localhost", 0), handler)
        self.local = os.environ.get(LOCAL)
        index = (out / "browser" / "index.html").read_text(encoding="utf-8")
        found = re.search(
            r'<script type="importmap">.*?"onnxruntime-web": *"([^"]+/).*?</script>',
            index,
            re.DOTALL,
        )
        if found is None:
            raise RuntimeError("browser/index.html does not contain the URL of ONNX Runtime Web")
        runtime = found[0].replace(found[1], f"/{LOCAL}/dist/") if self.local else found[0]
        self.page = (_PAGE % (runtime, json.dumps(search))).encode()
        self.questions: queue.Queue[list[str]] = queue.Queue()
        self.answers: queue.Queue[Any] = queue.Queue()


class _Handler(SimpleHTTPRequestHandler):
    server: _Server
    extensions_map = {  # noqa: RUF012 (its base declares it so)
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def do_GET(self) -> None:
        if self.path == "/browser/verify.html":
            self._send("text/html", self.server.page)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/problem":
            self.server.answers.put(RuntimeError(body))
            self._send("application/json", b"null")
            return
        if body is not None:
            self.server.answers.put(body)
        texts = self.server.questions.get()
        self._send("application/json", json.dumps(texts).encode())

    def translate_path(self, path: str) -> str:
        start = f"/{LOCAL}/"
        if self.server.local and path.startswith(start):
            return str(Path(self.server.local) / path.removeprefix(start))
        return super().translate_path(path)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing; the page reports problems itself."""

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def open_artefact(path: str, signature: str, threads: int) -> Function:
    """Open the page with the default search of the export; its WebAssembly uses one thread."""
    out = Path(path).parent
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    width = config["search"]["beam_width"]
    server = _Server(out, "greedy" if width == 1 else "beam")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _start_chromium(f"http://localhost:{server.server_port}/browser/verify.html")

    def call(text: np.ndarray) -> Arrays:
        server.questions.put(text.tolist())
        try:
            found = server.answers.get(timeout=_PATIENCE)
        except queue.Empty:
            raise RuntimeError(f"the page did not answer within {_PATIENCE:.0f} s") from None
        if isinstance(found, RuntimeError):
            raise found
        return _arrays(found, width, config["max_target_length"])

    return call


def _start_chromium(address: str) -> None:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError(f"no browser found: none of {', '.join(_NAMES)} is installed")
    profile = tempfile.mkdtemp()
    command = [found, *_FLAGS, f"--user-data-dir={profile}", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)

    atexit.register(stop)


def _arrays(rows: list[list[Mapping[str, Any]]], width: int, max_length: int) -> Arrays:
    """Return the translations of the page in the form of a SavedModel's `translate`."""
    text = np.full((len(rows), width), "", dtype=object)
    scores = np.full((len(rows), width), -np.inf, "float32")
    weights = [[hypothesis["weights"] for hypothesis in row] for row in rows]
    has_attention = weights[0][0][0] is not None
    longest = max(len(row[0][0]) for row in weights) if has_attention else 0
    attention = np.zeros((len(rows), width, max_length, longest), "float32")
    for i, row in enumerate(rows):
        for k, hypothesis in enumerate(row):
            text[i, k], scores[i, k] = hypothesis["text"], hypothesis["score"]
            for t, step in enumerate(weights[i][k] if has_attention else ()):
                attention[i, k, t, : len(step)] = step
    found = {"text": text.astype(str), "scores": scores}
    return found | {"attention": attention} if has_attention else found


if __name__ == "__main__":
    from runner import main  # type: ignore[import-not-found]

    sys.exit(main(open_artefact, forbidden=("keras", "keras_attention", "tensorflow")))
