"""Start MLServer's parts behind their limits, and stop them when asked to."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

from guard.limits import Limits
from guard.plane import FixedModels, GuardedPlane
from guard.rest import rest_server
from guard.rpc import rpc_server
from mlserver.logging import configure_logger, logger
from mlserver.registry import MultiModelRegistry
from mlserver.repository import SchemalessModelRepository
from mlserver.rest.app import create_app
from mlserver.settings import Settings
from prometheus_client import make_asgi_app

LOCAL = "127.0.0.1"
_M_ARENA_MAX, _ARENAS = -8, 4


def settings_of(folder: Path, host: str | None) -> Settings:
    """Return MLServer's settings: `settings.json`, then `MLSERVER_*`.

    Args:
        folder: The folder with the settings.
        host: Where to listen; defaults to `MLSERVER_HOST`, and without it to this machine only.
    """
    given = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    given["model_repository_root"] = str(folder)
    given["host"] = host or os.environ.get("MLSERVER_HOST") or given.get("host") or LOCAL
    return Settings(**given)


def check_ports(settings: Settings) -> None:
    """Check that nobody else listens where the server will: gRPC would share its port silently.

    Raises:
        OSError: If a port cannot be used; the message names its setting.
    """
    ports = {"http": settings.http_port, "grpc": settings.grpc_port}
    if settings.metrics_endpoint:
        ports["metrics"] = settings.metrics_port
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for name, port in ports.items():
        try:
            socket.create_server((settings.host, port), family=family).close()
        except OSError as error:
            raise OSError(
                f"MLSERVER_{name.upper()}_PORT must be a free port of {settings.host}. "
                f"Received: {port} ({error.strerror})"
            ) from error


def share_heaps() -> None:
    """Let all threads allocate from a few heaps: each has its own gaps, which grow under load.

    glibc would give a server's threads eight for each core. Other C libraries do not have this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


async def serve(folder: Path, settings: Settings, limits: Limits) -> None:
    """Load the models of a folder, and answer until SIGTERM or SIGINT.

    A stop refuses new requests and finishes those in flight, within its seconds. A second signal
    ends the process at once.
    """
    configure_logger(settings)
    stop = _signalled()
    registry = MultiModelRegistry()
    repository = SchemalessModelRepository(str(folder))
    for model in await repository.list():
        await registry.load(model)
    plane = GuardedPlane(settings, registry, limits)
    handlers = FixedModels(repository, registry)
    rpc = rpc_server(
        plane,
        handlers,
        _address(settings.host, settings.grpc_port),
        limits,
        bool(settings.metrics_endpoint),
    )
    apps: list[tuple[Any, int]] = [(create_app(settings, plane, handlers), settings.http_port)]
    if settings.metrics_endpoint:
        apps.append((make_asgi_app(), settings.metrics_port))
    servers = [rest_server(app, settings.host, port, limits) for app, port in apps]
    running = [asyncio.ensure_future(server.serve()) for server in servers]
    await rpc.start()
    gc.collect()
    gc.freeze()  # what stays need not be looked through again, which takes as long as a request
    logger.info(
        "Listening on %s: REST %d, gRPC %d, %s",
        settings.host,
        settings.http_port,
        settings.grpc_port,
        limits,
    )
    await asyncio.wait([*running, stop], return_when=asyncio.FIRST_COMPLETED)
    logger.info("Stopping within %g s", limits.stop_seconds)
    plane.stopping = True
    for server in servers:
        server.should_exit = True
    await asyncio.gather(rpc.stop(grace=limits.stop_seconds), *running)
    for loaded in list(await registry.get_models()):
        await registry.unload(loaded.name)


def _signalled() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def once() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, once)
    return stop


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
