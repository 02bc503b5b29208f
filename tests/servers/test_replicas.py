"""Two servers of an export, one of which is killed: `make test-servers`."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.export.toy import texts
from tests.servers.mlserver_process import PROGRAMS, Server, serving

THREADS, REQUESTS = 8, 160
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="`make test-servers` installs what this needs"
)


class Watched:
    """`urlopen`, which notes the port of each request and how it failed."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.ended: list[int] = []
        self.failed: list[tuple[int, Exception]] = []
        self._open = urllib.request.urlopen

    def __call__(self, request: urllib.request.Request, timeout: float) -> Any:
        port = urlsplit(request.full_url).port or 0
        self.began.append(port)
        try:
            return self._open(request, timeout=timeout)
        except (OSError, http.client.HTTPException) as error:
            self.failed.append((port, error))
            raise
        finally:
            self.ended.append(port)

    def wait_for(self, port: int, answered: int, running: int) -> None:
        """Wait until a server has answered so many requests and is answering so many."""
        end = time.monotonic() + PATIENCE
        while True:
            ended = self.ended.count(port)
            if ended >= answered and self.began.count(port) - ended >= running:
                return
            assert time.monotonic() < end
            time.sleep(0.001)


def documented(out: Path, servers: Sequence[Server]) -> Callable[[list[str]], list[str]]:
    """The client of the export's README, with the addresses of these servers."""
    readme = (out / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```python replicas\n(.*?)```", readme, flags=re.DOTALL)
    for address, server in zip(("localhost:8080", "localhost:8090"), servers, strict=True):
        assert block.count(address) == 1
        block = block.replace(address, f"127.0.0.1:{server.ports['http']}")
    names: dict[str, Any] = {}
    exec(block, names)
    translate: Callable[[list[str]], list[str]] = names["translate"]
    return translate


def is_refused(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), ConnectionRefusedError)


def test_no_request_fails_when_a_replica_is_killed(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watched, given = Watched(), texts(53)
    with (
        serving(out, tmp_path / "killed.log") as killed,
        serving(out, tmp_path / "other.log") as other,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        monkeypatch.setattr(urllib.request, "urlopen", watched)
        translate = documented(out, [killed, other])
        (best,) = capsys.readouterr().out.splitlines()
        first = json.loads((out / "examples.json").read_text("utf-8"))[0]["source"]
        expected = translate(given)
        assert translate([first]) == [best]
        answers = [pool.submit(translate, given) for _ in range(REQUESTS)]
        watched.wait_for(killed.ports["http"], answered=10, running=2)
        killed.process.kill()
        assert [answer.result() for answer in answers] == REQUESTS * [expected]
    assert {port for port, _ in watched.failed} == {killed.ports["http"]}
    assert {is_refused(error) for _, error in watched.failed} == {False, True}


def test_what_every_replica_refuses_is_an_error(out: Path, tmp_path: Path) -> None:
    with serving(out, tmp_path / "log", texts=2) as server:
        translate = documented(out, [server, server])
        with pytest.raises(urllib.error.HTTPError, match="400"):
            translate(["a", "b", "c"])
        server.process.kill()
        server.process.wait()
        with pytest.raises(urllib.error.URLError, match="refused"):
            translate(["a"])
