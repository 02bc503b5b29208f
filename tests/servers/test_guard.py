"""The limits of an export's server: `make test-servers`."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers.mlserver_process import (
    PROGRAMS,
    PROTOCOLS,
    Server,
    environment,
    free_ports,
    of_texts,
    run,
    serving,
    start_command,
)

LIMITS = {"texts": 5, "text_bytes": 40, "request_bytes": 4000, "seconds": 4, "in_flight": 3}
INFER = "/v2/models/toy/infer"
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="`make test-servers` installs what this needs"
)


@pytest.fixture(scope="module")
def server(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(out, tmp_path_factory.mktemp("log") / "server.log", **LIMITS) as started:
        yield started


@pytest.fixture
def slow(out: Path, tmp_path: Path) -> Path:
    """An export whose model only sleeps."""
    copy = tmp_path / "toy"
    shutil.copytree(out, copy)
    shutil.copyfile(Path(__file__).with_name("slow.py"), copy / "mlserver" / "slow.py")
    file = copy / "mlserver" / "model-settings.json"
    settings = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(settings | {"implementation": "slow.Runtime"}), "utf-8")
    return copy


def post(
    server: Server, body: Any, path: str = INFER, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and content of an answer."""
    given = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | headers
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.ports['http']}{path}", given, headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def asking(*texts: str, **more: Any) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
        ],
        **more,
    }


def connect(server: Server, data: bytes, protocol: str = "http") -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", server.ports[protocol]), timeout=PATIENCE)
    connected.sendall(data)
    return connected


def head(length: int) -> bytes:
    return (
        f"POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def wait_for(log: Path, line: str) -> None:
    end = time.monotonic() + PATIENCE
    while line not in log.read_text("utf-8"):
        assert time.monotonic() < end, log.read_text("utf-8")
        time.sleep(0.05)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_beyond_a_limit(server: Server, protocol: str) -> None:
    bad = {"grpc": "StatusCode.INVALID_ARGUMENT", "http": "400"}[protocol]
    large = {
        "grpc": "StatusCode.RESOURCE_EXHAUSTED: SERVER: Received message larger than max",
        "http": "413: A request must have at most 4000 bytes.",
    }[protocol]
    shown = "The `id` must have at most 128 printable ASCII characters. Received: "
    asked = [
        (f"{bad}: A request must have at most 5 texts.", of_texts(*"abcdef")),
        (f"{bad}: Text 2 must have at most 40 bytes. Received: 42", of_texts("a", 21 * "é")),
        (f"{bad}: {shown}4 characters, 'a\\r\\nb'", {**of_texts("a"), "id": "a\r\nb"}),
        (f"{bad}: {shown}129 characters, '{32 * 'x'}'", {**of_texts("a"), "id": 129 * "x"}),
        (f"{bad}: {shown}1 characters, 'é'", {**of_texts("a"), "id": "é"}),
        (large, of_texts(5000 * "a")),
    ]
    answers = server.ask(protocol, [request for _, request in asked])
    for (message, _), answer in zip(asked, answers, strict=True):
        assert answer["error"].startswith(message)
    at_limits = {**of_texts(*"abcde"), "id": 128 * "x"}
    (answer,) = server.ask(protocol, [at_limits])
    assert len(answer["translation"]) == 5


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b'{"inputs": [', {}, 400, "The body is not JSON."),
        (b'{"inputs": ' + 1900 * b"[" + 1900 * b"]" + b"}", {}, 400, "The body is not JSON."),
        (b"[]", {}, 400, "The body must be an object."),
        ({"inputs": 900 * [{}]}, {}, 400, "There must be at most 8 inputs. Received: 900"),
        ({**asking("a"), "outputs": 900 * [{}]}, {}, 400, "There must be at most 8 outputs."),
        ({"inputs": [{"shape": 90 * ["a"]}]}, {}, 400, "There must be at most 8 dimensions."),
        (
            asking("a", parameters={str(number): 1 for number in range(90)}),
            {},
            400,
            "There must be at most 64 parameters. Received: 90",
        ),
        (asking("a", id="a\nb"), {}, 400, "The `id` must have at most 128 printable"),
        (gzip.compress(10**6 * b" "), {"content-encoding": "gzip"}, 415, "Bodies must not be"),
        (10**6 * b" ", {}, 413, "A request must have at most 4000 bytes."),
    ],
)
def test_what_would_take_long_to_refuse(
    server: Server, body: Any, headers: dict[str, str], status: int, message: str
) -> None:
    found, _, said = post(server, body, **headers)
    assert (found, json.loads(said)["error"][: len(message)]) == (status, message)


def test_a_body_without_a_length(server: Server) -> None:
    chunk = b"200\r\n" + 512 * b" " + b"\r\n"
    chunked = head(0).replace(b"content-length: 0", b"transfer-encoding: chunked")
    with closing(connect(server, chunked + 20 * chunk)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_models_stay(server: Server) -> None:
    for action in ("load", "unload"):
        status, _, said = post(server, b"", f"/v2/repository/models/toy/{action}")
        assert status == 403
        assert "only" in json.loads(said)["error"]
    code = f"""
import tritonclient.grpc as triton

client = triton.InferenceServerClient("127.0.0.1:{server.ports["grpc"]}")
for action in (client.load_model, client.unload_model):
    try:
        action("toy")
    except triton.InferenceServerException as error:
        print(error.status())
print(client.is_model_ready("toy"))
"""
    assert run("python", "-c", code).split() == 2 * ["StatusCode.PERMISSION_DENIED"] + ["True"]


def test_no_streams(server: Server) -> None:
    status, _, said = post(server, asking("a"), INFER + "_stream")
    assert (status, json.loads(said)) == (501, {"error": "This model has no streams."})


def test_names_of_no_model_are_not_counted(server: Server) -> None:
    for number in range(3):
        assert post(server, asking("a"), f"/v2/models/absent{number}/infer")[0] == 404
        assert post(server, asking("a"), f"/absent{number}")[0] == 404
    assert post(server, asking("a"))[0] == 200
    address = f"http://127.0.0.1:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(address, timeout=PATIENCE) as response:
        metrics = response.read().decode()
    assert 'model_infer_request_success_total{model="toy"' in metrics
    assert "absent" not in metrics


def test_half_of_a_request(server: Server) -> None:
    silent = connect(server, b"")
    headless = connect(server, head(10)[:30])
    bodiless = connect(server, head(10) + b"{")
    for connection, answer in ((silent, b""), (headless, b""), (bodiless, b"HTTP/1.1 408 ")):
        with closing(connection):
            try:
                assert connection.recv(13) == answer
            except ConnectionResetError:
                assert answer == b""
    code = f"""
import grpc, threading

def requests():
    threading.Event().wait(15)
    yield b""

channel = grpc.insecure_channel("127.0.0.1:{server.ports["grpc"]}")
call = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
print(call.future(requests()).details())
"""
    assert run("python", "-c", code) == "The request took more than 4 s.\n"


def test_only_this_machine(server: Server) -> None:
    for port in server.ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=PATIENCE)


def test_wrong_options(out: Path) -> None:
    done = subprocess.run(
        [*start_command(out), "--texts", "0"],
        cwd=out,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "`texts` must be positive. Received: texts=0" in done.stderr


@pytest.mark.parametrize("kind", ["http", "grpc", "metrics"])
def test_a_port_of_somebody_else(out: Path, server: Server, kind: str) -> None:
    ports = free_ports("http", "grpc", "metrics") | {kind: server.ports[kind]}
    settings = {f"MLSERVER_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    done = subprocess.run(
        start_command(out),
        cwd=out,
        env=environment() | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    message = f"MLSERVER_{kind.upper()}_PORT must be a free port of 127.0.0.1. Received: "
    assert f"{message}{ports[kind]} (Address already in use" in done.stderr


def test_requests_in_flight(slow: Path, tmp_path: Path) -> None:
    with serving(slow, tmp_path / "log", seconds=600, in_flight=2) as server:
        bodies = [json.dumps(asking(text)).encode() for text in ("501", "502")]
        held = [connect(server, head(len(body)) + body) for body in bodies]
        wait_for(server.log, "began 501")
        wait_for(server.log, "began 502")
        for protocol, status in (("http", "429"), ("grpc", "StatusCode.RESOURCE_EXHAUSTED")):
            (answer,) = server.ask(protocol, [of_texts("0")])
            assert answer["error"] == f"{status}: 2 requests are in flight. Try again later."
        for connection in held:
            connection.close()
        wait_for(server.log, "dropped 502")
        assert post(server, asking("0"))[0] == 200


def test_an_answer_that_takes_too_long(slow: Path, tmp_path: Path) -> None:
    with serving(slow, tmp_path / "log", seconds=2) as server:
        for protocol, status in (("http", "504"), ("grpc", "StatusCode.DEADLINE_EXCEEDED")):
            (answer,) = server.ask(protocol, [of_texts("500")])
            assert answer["error"] == f"{status}: The answer took more than 2 s."


def test_work_ends_with_its_client(slow: Path, tmp_path: Path) -> None:
    with serving(slow, tmp_path / "log", seconds=60) as server:
        body = json.dumps(asking("111")).encode()
        connection = connect(server, head(len(body)) + body)
        wait_for(server.log, "began 111")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        wait_for(server.log, "dropped 111")
        (answer,) = server.ask("grpc", [{**of_texts("222"), "timeout": 3}])
        assert "DEADLINE_EXCEEDED" in answer["error"]
        wait_for(server.log, "dropped 222")


def test_a_stop_finishes_what_is_in_flight(slow: Path, tmp_path: Path) -> None:
    with (
        serving(slow, tmp_path / "log", stop_seconds=20) as server,
        ThreadPoolExecutor() as pool,
    ):
        by_rest = pool.submit(post, server, asking("3"))
        by_grpc = pool.submit(server.ask, "grpc", [of_texts("3.0")])
        wait_for(server.log, "began 3.0")
        wait_for(server.log, "began 3\n")
        server.process.send_signal(signal.SIGTERM)
        assert by_rest.result()[0] == 200
        assert by_grpc.result() == [{"translation": [["3.0"]]}]
        assert server.process.wait(PATIENCE) == 0


def test_a_stop_has_an_end(slow: Path, tmp_path: Path) -> None:
    with (
        serving(slow, tmp_path / "log", stop_seconds=1) as server,
        ThreadPoolExecutor() as pool,
    ):
        by_rest = pool.submit(post, server, asking("100"))
        by_grpc = pool.submit(server.ask, "grpc", [of_texts("100.0")])
        wait_for(server.log, "began 100.0")
        wait_for(server.log, "began 100\n")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        assert by_rest.result()[0] == 503
        (answer,) = by_grpc.result()
        assert answer["error"].startswith("StatusCode.UNAVAILABLE")
