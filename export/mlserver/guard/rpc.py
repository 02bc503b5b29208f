"""gRPC: the same limits before MLServer converts a message."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
from guard.limits import (
    BAD,
    FORBIDDEN,
    NOT_THERE,
    STOPPING,
    TOO_LARGE,
    TOO_LATE,
    TOO_MANY,
    Limits,
    Refused,
    check_parts,
)
from mlserver.errors import MLServerError
from mlserver.grpc.dataplane_pb2 import ModelInferRequest
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.interceptors import PromServerInterceptor
from mlserver.grpc.logging import logger
from mlserver.grpc.servicers import InferenceServicer
from mlserver.grpc.utils import STATUS_CODE_MAPPING
from mlserver.handlers import DataPlane, ModelRepositoryHandlers

CODES = {
    BAD: grpc.StatusCode.INVALID_ARGUMENT,
    FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NOT_THERE: grpc.StatusCode.UNIMPLEMENTED,
    STOPPING: grpc.StatusCode.UNAVAILABLE,
    TOO_LATE: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""HTTP's status for each code, as https://cloud.google.com/apis/design/errors maps them."""

_IDLE_MS, _PING_MS, _PONG_MS = 300_000, 60_000, 20_000
_STREAMS = 1024  # per connection; gRPC resets what a client begins before it knows the number


class Guard(grpc.aio.ServerInterceptor):
    """Reads each request itself, with a limit of time, and checks it.

    gRPC would wait without end for the message of a call that has only begun. A handler of a stream
    of requests may read the only one when it likes; on the wire the two are the same.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(_no_streams)

        async def answer(messages: AsyncIterator[Any], context: Any) -> Any:
            try:
                message = await self._first(messages)
                check_message(message, self._limits)
            except Refused as error:
                await context.abort(CODES[error.status_code], str(error))
            return await handler.unary_unary(message, context)

        return grpc.stream_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )

    async def _first(self, messages: AsyncIterator[Any]) -> Any:
        try:
            async with asyncio.timeout(self._limits.seconds):
                async for message in messages:
                    return message
        except TimeoutError as error:
            raise Refused(
                f"The request took more than {self._limits.seconds:g} s.", TOO_LATE
            ) from error
        raise Refused("The call has no request.", BAD)


async def _no_streams(_: Any, context: Any) -> None:
    await context.abort(CODES[NOT_THERE], "This model has no streams.")


def check_message(message: Any, limits: Limits) -> None:
    """Refuse what MLServer would take long to convert."""
    if not isinstance(message, ModelInferRequest):
        return
    limits.check_id(message.id)
    check_parts("inputs", message.inputs)
    check_parts("outputs", message.outputs)
    for part in (message, *message.inputs, *message.outputs):
        check_parts("parameters", part.parameters)
    for given in message.inputs:
        check_parts("dimensions", given.shape)
    limits.check_texts(_sizes(message))


def _sizes(message: Any) -> Iterator[int]:
    for given in message.inputs:
        yield from map(len, given.contents.bytes_contents)
    for number, raw in enumerate(message.raw_input_contents):
        if number >= len(message.inputs) or message.inputs[number].datatype == "BYTES":
            yield from _raw_sizes(raw)


def _raw_sizes(raw: bytes) -> Iterator[int]:
    """The sizes in front of each text, up to where they are wrong."""
    place = 0
    while place + 4 <= len(raw):
        (size,) = struct.unpack_from("<I", raw, place)
        yield size
        place += 4 + size


def rpc_server(
    plane: DataPlane,
    handlers: ModelRepositoryHandlers,
    address: str,
    limits: Limits,
    metrics: bool,
) -> Any:
    """Return a gRPC server with MLServer's services, which is not started."""
    STATUS_CODE_MAPPING.update(CODES)
    logger.addFilter(_without_trace)
    interceptors: list[Any] = [Guard(limits)]
    if metrics:
        interceptors.append(PromServerInterceptor(enable_handling_time_histogram=True))
    server = grpc.aio.server(
        interceptors=interceptors,
        options=[
            ("grpc.max_receive_message_length", limits.request_bytes),
            ("grpc.max_concurrent_streams", _STREAMS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.keepalive_time_ms", _PING_MS),
            ("grpc.keepalive_timeout_ms", _PONG_MS),
            ("grpc.server_handshake_timeout_ms", int(1000 * limits.seconds)),
            ("grpc.so_reuseport", 0),  # else a second server takes every other connection
        ],
    )
    add_GRPCInferenceServiceServicer_to_server(InferenceServicer(plane, handlers), server)
    server.add_insecure_port(address)
    return server


def _without_trace(record: logging.LogRecord) -> bool:
    """Log refusals in a line each, so that nobody fills the disk with them."""
    if record.exc_info and isinstance(record.exc_info[1], MLServerError):
        record.exc_info = None
    return True
