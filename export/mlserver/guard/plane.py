"""What REST and gRPC share: requests in flight, their time, and a model that stays loaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from guard.limits import FORBIDDEN, NOT_THERE, STOPPING, TOO_LATE, TOO_MANY, Limits, Refused
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.registry import MultiModelRegistry
from mlserver.settings import Settings
from mlserver.types import InferenceRequest, InferenceResponse


class GuardedPlane(DataPlane):
    """Answers at most so many requests at the same time, each within its time.

    A request is dropped as soon as its caller is cancelled, which both protocols do when the client
    has gone. `stopping` refuses new requests, and tells that the server is not ready.
    """

    def __init__(self, settings: Settings, registry: MultiModelRegistry, limits: Limits) -> None:
        super().__init__(settings, registry)
        self._registry = registry
        self._limits = limits
        self._in_flight = 0
        self.stopping = False

    async def ready(self) -> bool:
        return not self.stopping and await super().ready()

    async def infer(
        self, payload: InferenceRequest, name: str, version: str | None = None
    ) -> InferenceResponse:
        await self._registry.get_model(name, version)  # before MLServer counts by any name
        self._limits.check_id(payload.id or "")
        self._limits.check_texts(map(_size, _elements(payload)))
        if self.stopping:
            raise Refused("The server is stopping.", STOPPING)
        if self._in_flight >= self._limits.in_flight:
            raise Refused(f"{self._in_flight} requests are in flight. Try again later.", TOO_MANY)
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await super().infer(payload, name, version)
        except TimeoutError as error:
            raise Refused(
                f"The answer took more than {self._limits.seconds:g} s.", TOO_LATE
            ) from error
        finally:
            self._in_flight -= 1

    def infer_stream(self, *_: Any, **__: Any) -> AsyncIterator[InferenceResponse]:
        raise Refused("This model has no streams.", NOT_THERE)


class FixedModels(ModelRepositoryHandlers):
    """The models of the start: clients cannot load or unload any."""

    async def load(self, name: str) -> bool:
        raise Refused("Models are loaded at the start only.", FORBIDDEN)

    async def unload(self, name: str) -> bool:
        raise Refused("Models are unloaded at the stop only.", FORBIDDEN)


def _elements(payload: InferenceRequest) -> list[Any]:
    found: list[Any] = []
    for given in payload.inputs:
        content = getattr(given.data, "root", given.data)
        found += content if isinstance(content, list) else [content]
    return found


def _size(element: Any) -> int:
    if isinstance(element, str):
        return len(element.encode("utf-8", "surrogatepass"))
    return len(element) if isinstance(element, bytes) else 0
