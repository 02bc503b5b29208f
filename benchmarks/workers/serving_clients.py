"""Concurrent clients that send a server one sentence after another.

Reads a job, a line of JSON, and prints the measurements. A job with `abuse`, a share of requests,
has clients of both protocols, some of whose requests are those of `abusive_requests`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import numpy as np

PROTOCOLS = ("grpc", "http")


class Clients:
    """Clients of one protocol, which share a connection.

    Args:
        protocol: `"grpc"` or `"http"`.
        port: The port of the server.
        model: The name of the model.
    """

    def __init__(self, protocol: str, port: int, model: str) -> None:
        self.model = model
        self.triton = importlib.import_module(f"tritonclient.{protocol}.aio")
        self.client = self.triton.InferenceServerClient(f"127.0.0.1:{port}")
        is_http = protocol == "http"  # for which MLServer supports JSON only
        self.given: dict[str, Any] = {"binary_data": False} if is_http else {}
        self.asked = {"headers": {"content-type": "application/json"}} if is_http else {}

    async def translate(self, text: str) -> str:
        """Return the best translation."""
        given = self.triton.InferInput("text", [1], "BYTES")
        given.set_data_from_numpy(np.array([text], object), **self.given)
        found = await self.client.infer(self.model, [given], **self.asked)
        best = found.as_numpy("translation")[0, 0]
        return best.decode() if isinstance(best, bytes) else str(best)

    async def load(
        self,
        expected: dict[str, str],
        clients: int,
        seconds: float,
        instead: Callable[[], Awaitable[bool]] | None = None,
    ) -> tuple[list[float], int]:
        """Send requests for a given time.

        Args:
            expected: The texts, which are requested in turn, and their translations.
            clients: The number of concurrent clients.
            seconds: The time during which new requests are sent.
            instead: Called before each request; whether it has sent another one.

        Returns:
            The seconds of each request, and the number of requests that failed or returned a
            different translation.
        """
        texts, turn, elapsed, errors = list(expected), count(), [], 0
        end = time.perf_counter() + seconds

        async def one_client() -> None:
            nonlocal errors
            while (began := time.perf_counter()) < end:
                if instead is not None and await instead():
                    continue
                text = texts[next(turn) % len(texts)]
                try:
                    errors += await self.translate(text) != expected[text]
                except Exception as error:  # also those of the connection
                    print(repr(error), file=sys.stderr)
                    errors += 1
                elapsed.append(time.perf_counter() - began)

        await asyncio.gather(*(one_client() for _ in range(clients)))
        return elapsed, errors


async def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Translate each text alone, then run all clients concurrently."""
    asking = Clients(job["protocol"], job["port"], job["model"])
    expected = {text: await asking.translate(text) for text in job["texts"]}
    began = time.perf_counter()
    elapsed, errors = await asking.load(expected, job["clients"], job["seconds"])
    passed = time.perf_counter() - began
    await asking.client.close()
    return {
        "expected": expected,
        "requests": len(elapsed),
        "errors": errors,
        "per_second": len(elapsed) / passed,
        "milliseconds": (1e3 * np.percentile(elapsed, (50, 90, 99))).tolist(),
    }


class Health:
    """Asks for the server's health all the time, in a thread of its own.

    Attributes:
        seconds: The time of the slowest answer.
        errors: The number of requests without an answer.
    """

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/v2/health/"
        self.seconds, self.errors = 0.0, 0

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask during the context."""
        end = threading.Event()
        thread = threading.Thread(target=self._ask, args=(end,))
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _ask(self, end: threading.Event) -> None:
        for kind in cycle(("live", "ready")):
            if end.wait(0.1):
                return
            began = time.perf_counter()
            try:
                with urllib.request.urlopen(self._address + kind, timeout=60) as answer:
                    answer.read()
            except OSError as error:
                print(repr(error), file=sys.stderr)
                self.errors += 1
            self.seconds = max(self.seconds, time.perf_counter() - began)


async def measure_with_abuse(job: dict[str, Any]) -> dict[str, Any]:
    """Run clients of both protocols, a share of whose requests are abusive."""
    from benchmarks.workers.abusive_requests import Abuse

    both = [Clients(protocol, job["ports"][protocol], job["model"]) for protocol in PROTOCOLS]
    texts, share, sent = job["texts"], job["abuse"], 0
    expected = job["expected"] or {text: await both[0].translate(text) for text in texts}
    abuse = Abuse(job["ports"], job["model"], texts, job["turn"])
    chance = random.Random(job["turn"])

    async def instead() -> bool:
        nonlocal sent
        if chance.random() >= share:
            return False
        sent += 1
        await abuse()
        return True

    health = Health(job["ports"]["http"])
    with health.asked():
        found = await asyncio.gather(
            *(x.load(expected, job["clients"] // 2, job["seconds"], instead) for x in both)
        )
    await abuse.close()
    for clients in both:
        await clients.client.close()
    return {
        "expected": expected,
        "elapsed": [seconds for elapsed, _ in found for seconds in elapsed],
        "errors": health.errors + sum(errors for _, errors in found),
        "abusive": sent,
        "health": health.seconds,
    }


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run((measure_with_abuse if "abuse" in asked else measure)(asked))))
