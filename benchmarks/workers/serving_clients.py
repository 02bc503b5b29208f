"""Concurrent clients that send a server one sentence after another.

Reads a job, a line of JSON, and prints the measurements.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from itertools import count
from typing import Any

import numpy as np


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
        self, expected: dict[str, str], clients: int, seconds: float
    ) -> tuple[list[float], int]:
        """Send requests for a given time.

        Args:
            expected: The texts, which are requested in turn, and their translations.
            clients: The number of concurrent clients.
            seconds: The time during which new requests are sent.

        Returns:
            The seconds of each request, and the number of requests that failed or returned a
            different translation.
        """
        texts, turn, elapsed, errors = list(expected), count(), [], 0
        end = time.perf_counter() + seconds

        async def one_client() -> None:
            nonlocal errors
            while (began := time.perf_counter()) < end:
                text = texts[next(turn) % len(texts)]
                try:
                    errors += await self.translate(text) != expected[text]
                except self.triton.InferenceServerException as error:
                    print(error, file=sys.stderr)
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


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(json.loads(sys.stdin.readline())))))
