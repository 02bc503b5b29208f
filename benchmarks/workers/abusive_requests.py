"""Requests that nobody should send, for the load test of a server with limits.

Each is prepared once, so that the clients that measure do not wait for it to be made.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

_PATIENCE = 60.0
_MEBI = 1 << 20
_LOAD = ("load", "unload")


class Abuse:
    """One abusive request after another, in turn.

    Args:
        ports: The ports of `"http"` and `"grpc"`.
        model: The name of the model.
        texts: Texts that the model translates.
        turn: Which of several such objects this is: each begins with another kind.
    """

    def __init__(
        self, ports: dict[str, int], model: str, texts: Sequence[str], turn: int = 0
    ) -> None:
        self._port = ports["http"]
        self._path = f"/v2/models/{model}/infer"
        self._open: set[asyncio.StreamWriter] = set()
        self._rpc = Rpc(ports["grpc"], model)
        large = [texts[number % len(texts)] for number in range(128)]
        marks = 5 * _MEBI * "\u0301"
        bodies = {
            "30,000 texts": _body(30_000 * ["a"]),
            "10 MB of digits": _body([10 * _MEBI * "7"]),
            "10 MB of marks": _body([marks], ascii_only=False),
            "as many texts as allowed": _body(large),
            "texts as long as allowed": _body(120 * [8192 * "7"]),
            "an id of lines": _body(["a"], id="a\r\nb: c"),
            "an id of 100,000": _body(["a"], id=100_000 * "x"),
            "empty inputs": json.dumps({"inputs": 240_000 * [{}]}).encode(),
            "deep": b'{"inputs": ' + 500_000 * b"[",
            "no JSON": 999_999 * b"\xff",
        }
        bomb = gzip.compress(100 * _MEBI * b" ")
        whole = [self._with(self._head(len(body)) + body) for body in bodies.values()]
        body = _body(large)
        request = self._head(len(body)) + body
        many, digits = 250_000 * [b""], [3 * _MEBI * b"7"]
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            *whole,
            self._with(self._head(len(bomb), "content-encoding: gzip\r\n") + bomb),
            self._left(self._head(10)[:-4]),
            self._left(self._head(1000) + b'{"inputs"'),
            self._left(request),
            self._gone(request),
            self._gone(request[: len(request) // 2]),
            self._with(self._head(0, path=self._path.replace(model, "absent"))),
            *(
                self._with(self._head(0, path=f"/v2/repository/models/{model}/{action}"))
                for action in _LOAD
            ),
            self._rpc.infer(many),
            self._rpc.infer(digits),
            self._rpc.infer([text.encode() for text in large], seconds=0.001),
            self._rpc.infer([text.encode() for text in large]),
            self._rpc.infer([b"a"], id="a\nb"),
        ]
        self._next = 7 * turn

    async def __call__(self) -> None:
        """Send the next kind; whatever the server does with it is right."""
        kind = self._kinds[self._next % len(self._kinds)]
        self._next += 1
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            await asyncio.wait_for(kind(), _PATIENCE)

    async def close(self) -> None:
        """Close what was left open."""
        for writer in self._open:
            writer.transport.abort()
        await self._rpc.close()

    def _head(self, length: int, more: str = "", path: str = "") -> bytes:
        return (
            f"POST {path or self._path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n"
        ).encode()

    def _with(self, data: bytes) -> Callable[[], Awaitable[None]]:
        """A request whose answer is read."""

        async def send() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(data)
                await writer.drain()
                await reader.read()
            finally:
                writer.transport.abort()

        return send

    def _left(self, data: bytes) -> Callable[[], Awaitable[None]]:
        """Part of a request, or one whose answer nobody reads; the connection stays open."""

        async def send() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(data)
            self._open.add(writer)

        return send

    def _gone(self, data: bytes) -> Callable[[], Awaitable[None]]:
        """A request whose client resets the connection."""

        async def send() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.01)
            connected = writer.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        return send


class Rpc:
    """gRPC requests, serialized in advance."""

    def __init__(self, port: int, model: str) -> None:
        import grpc

        self._grpc = grpc
        self._model = model
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]
        )
        self._call = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def infer(
        self, texts: Sequence[bytes], seconds: float = _PATIENCE, id: str = ""
    ) -> Callable[[], Awaitable[None]]:
        """Return what sends a request."""
        from tritonclient.grpc import service_pb2

        raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        request: Any = service_pb2.ModelInferRequest(
            model_name=self._model, id=id, raw_input_contents=[raw]
        )
        request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
        data = request.SerializeToString()

        async def send() -> None:
            with contextlib.suppress(self._grpc.RpcError):
                await self._call(data, timeout=seconds)

        return send

    async def close(self) -> None:
        await self._channel.close()


def _body(texts: Sequence[str], ascii_only: bool = True, **more: Any) -> bytes:
    given = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    return json.dumps({"inputs": [given], **more}, ensure_ascii=ascii_only).encode()
