"""REST: bodies that are too large or too slow, clients that have gone, heads that never end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import h11
import orjson
import uvicorn
from guard.limits import BAD, STOPPING, TOO_LARGE, Limits, Refused, check_parts
from uvicorn.protocols.http.h11_impl import H11Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_TOO_SLOW, _METHOD, _ENCODING = 408, 405, 415
_DISCARDED = 64  # times the limit of a body: read so that the client gets the answer, not a reset
_DISCARD_SECONDS = 5.0


class Guard:
    """An ASGI application that passes on what is within the limits.

    It reads the body first, so that what comes afterwards can only be that the client has gone;
    then it cancels the work.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await self._body(scope, receive)
            await self._answer(scope, body, receive, send)
        except Refused as error:
            await _refuse(error, self._limits, receive, send)
        except _GoneError:
            pass
        except asyncio.CancelledError:  # by uvicorn, at the end of a stop
            await _refuse(Refused("The server is stopping.", STOPPING), self._limits, receive, send)

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        if scope["method"] not in _METHODS:
            raise Refused(f"Methods are {', '.join(_METHODS)}.", _METHOD)
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused("Bodies must not be compressed.", _ENCODING)
        if (length := headers.get(b"content-length", b"0")).isdigit():
            self._limits.check_bytes(int(length))
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._read(receive)
        except TimeoutError as error:
            raise Refused(
                f"The body took more than {self._limits.seconds:g} s.", _TOO_SLOW
            ) from error
        if scope["method"] == "POST" and scope["path"].endswith(("/infer", "/generate")):
            check_body(body, self._limits)
        return body

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            self._limits.check_bytes(len(body))
            if not message.get("more_body", False):
                return bytes(body)

    async def _answer(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Run the application until it has answered, the client has gone or its time is over."""
        given, started, complete = False, False, False

        async def receive_once() -> Message:
            nonlocal given
            if given:
                return await asyncio.shield(gone)
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_on(message: Message) -> None:
            nonlocal started, complete
            started = True
            complete = complete or (
                message["type"] == "http.response.body" and not message.get("more_body", False)
            )
            await send(message)

        gone = asyncio.ensure_future(_disconnect(receive))
        work = asyncio.ensure_future(self._app(scope, receive_once, send_on))
        try:
            # The answer has its own limit: this is for clients that do not read it.
            await asyncio.wait(
                {gone, work},
                timeout=2 * self._limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if complete or work.done():
                await work
        except asyncio.CancelledError:
            if not started:
                raise
        finally:
            for task in (work, gone):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


class _GoneError(Exception):
    """The client has closed the connection before the end of its request."""


async def _disconnect(receive: Receive) -> Message:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message


async def _refuse(error: Refused, limits: Limits, receive: Receive, send: Send) -> None:
    """Send an error, then read what is still under way."""
    body = json.dumps({"error": str(error)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.status_code in (TOO_LARGE, _TOO_SLOW, _ENCODING):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if error.status_code == TOO_LARGE:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_DISCARD_SECONDS, limits.seconds)):
                await _discard(_DISCARDED * limits.request_bytes, receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(most: int, receive: Receive) -> None:
    while most > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        most -= len(message.get("body", b""))


def check_body(body: bytes, limits: Limits) -> None:
    """Refuse what FastAPI would take long to refuse or convert."""
    try:
        asked = orjson.loads(body)  # as MLServer does
    except orjson.JSONDecodeError as error:
        raise Refused(f"The body is not JSON. Received: {error}"[:200], BAD) from error
    if not isinstance(asked, dict):
        raise Refused("The body must be an object.", BAD)
    if isinstance(name := asked.get("id"), str):
        limits.check_id(name)
    inputs = _list(asked, "inputs")
    for part in [*inputs, *_list(asked, "outputs"), asked]:
        if isinstance(part, dict):
            _list(part, "shape", "dimensions")
            if isinstance(part.get("parameters"), dict):
                check_parts("parameters", part["parameters"])
    texts = [text for given in inputs if isinstance(given, dict) for text in _data(given)]
    limits.check_texts(_size(text) for text in texts)


def _list(part: dict[str, Any], name: str, what: str = "") -> list[Any]:
    found = part.get(name)
    if not isinstance(found, list):
        return []
    check_parts(what or name, found)
    return found


def _data(given: dict[str, Any]) -> list[Any]:
    data = given.get("data")
    return data if isinstance(data, list) else [data]


def _size(element: Any) -> int:
    return len(element.encode("utf-8", "surrogatepass")) if isinstance(element, str) else 0


class Protocol(H11Protocol):
    """Closes a connection whose request has not a complete head after some seconds.

    uvicorn has a limit for connections between two requests only.
    """

    seconds = 20.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._end is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._end = self.loop.call_later(self.seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


class Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def rest_server(app: App, host: str, port: int, limits: Limits) -> Server:
    """Return the server of an ASGI application behind its guard."""
    protocol = type("LimitedProtocol", (Protocol,), {"seconds": limits.seconds})
    config = uvicorn.Config(
        Guard(app, limits),
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.seconds,
        timeout_graceful_shutdown=limits.stop_seconds,
    )
    return Server(config)
