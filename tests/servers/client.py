"""Sends the requests of a job to a server, all at the same time: `client.py < job.json`.

It runs in the environment of the servers and does not import this project.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

import numpy as np

KINDS: dict[str, Any] = {"BYTES": object, "FP32": "float32"}


async def answer(client: Any, triton: Any, model: str, request: dict[str, Any]) -> dict[str, Any]:
    shape, kind = request["shape"], request.get("datatype", "BYTES")
    given = triton.InferInput(request.get("name", "text"), shape, kind)
    array = np.array(request["data"], KINDS[kind]).reshape(shape)
    is_http = triton.__name__ == "tritonclient.http.aio"
    given.set_data_from_numpy(array, **({"binary_data": False} if is_http else {}))
    options: dict[str, Any] = {}
    if is_http:
        options["headers"] = {"content-type": "application/json"}
    if "outputs" in request:
        options["outputs"] = [triton.InferRequestedOutput(name) for name in request["outputs"]]
    if "id" in request:
        options["request_id"] = request["id"]
    if "timeout" in request:
        options["client_timeout"] = request["timeout"]
    try:
        found = await client.infer(model, [given], **options)
    except Exception as error:
        return {"error": f"{error.status()}: {error.message()}"}  # type: ignore[attr-defined]
    response = found.get_response()
    outputs = response["outputs"] if is_http else response.outputs
    names = [output["name"] if is_http else output.name for output in outputs]
    return {name: as_text(found.as_numpy(name)).tolist() for name in names}


def as_text(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "O":
        return array
    texts = [x.decode() if isinstance(x, bytes) else x for x in array.ravel()]
    return np.array(texts, object).reshape(array.shape)


async def main() -> None:
    job = json.load(sys.stdin)
    triton = importlib.import_module(f"tritonclient.{job['protocol']}.aio")
    client = triton.InferenceServerClient(f"127.0.0.1:{job['port']}")
    asked = [answer(client, triton, job["model"], request) for request in job["requests"]]
    json.dump(await asyncio.gather(*asked), sys.stdout)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
