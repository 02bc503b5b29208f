"""What clients of TensorFlow Serving get, from a service that treats an export as it does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers its ops, which TensorFlow Serving has)
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import keras_attention as ka
from keras_attention.text.runs import RunDirectory
from tests.export.toy import BEAM, MAX_SOURCE, fresh_python
from tests.variants import variants

TEXTS = ["abc 12", "", "é", "ｅ１", "zzz", "0123456789ab"]


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Loads a model in a session; inputs that a request leaves out get their defaults."""

    def __init__(self, path: Path) -> None:
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.meta = tf.compat.v1.saved_model.loader.load(self.session, ["serve"], str(path))

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        signature = self.meta.signature_def[request.model_spec.signature_name or "serving_default"]
        given = {**signature.defaults, **request.inputs}
        if set(given) != set(signature.inputs):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"expected {sorted(signature.inputs)}")
        feed = {signature.inputs[name].name: tf.make_ndarray(x) for name, x in given.items()}
        names = {name: tensor.name for name, tensor in signature.outputs.items()}
        try:
            found = self.session.run(names, feed)
        except tf.errors.OpError as error:
            code = next(x for x in grpc.StatusCode if x.value[0] == error.error_code)
            context.abort(code, error.message)
        response = predict_pb2.PredictResponse()
        for name, array in found.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response


@pytest.fixture(scope="module")
def port(exported: Path) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    service = Service(exported / "saved_model" / "toy" / "1")
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    free = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield free
    server.stop(grace=None).wait()
    service.session.close()


def predict(port: int, signature: str = "", **inputs: Any) -> dict[str, np.ndarray]:
    """The outputs as a client of TensorFlow Serving gets them."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "toy", signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        found = stub.Predict(request, timeout=60)
    return {name: tf.make_ndarray(tensor) for name, tensor in found.outputs.items()}


@variants(
    ("signature", "options", "search"),
    [
        ("", {}, None),
        ("translate", {}, None),
        ("translate_search", {}, None),
        ("translate_search", {"beam_width": 5}, ka.BeamSearch(5, BEAM.length_penalty)),
        ("translate_search", {"length_penalty": 0.0, "beam_width": 1}, ka.GreedySearch()),
    ],
    core=2,
)
def test_what_python_gives(
    port: int, run: RunDirectory, signature: str, options: dict[str, Any], search: Any
) -> None:
    found = predict(port, signature, text=TEXTS, **options)
    translator = ka.Translator.from_run(run.path)
    width = (search or translator.search).width
    assert found["text"].shape == found["scores"].shape == (len(TEXTS), width)
    for row, best in enumerate(translator(TEXTS, search)):
        hypotheses = [best, *best.others]
        written = [text.decode() for text in found["text"][row, : len(hypotheses)]]
        assert written == [x.text for x in hypotheses]
        scores = [x.score for x in hypotheses]
        np.testing.assert_allclose(found["scores"][row, : len(scores)], scores, atol=1e-5)


def test_what_is_refused(port: int) -> None:
    with pytest.raises(grpc.RpcError, match=rf"INVALID_ARGUMENT[\s\S]*at most {MAX_SOURCE} tokens"):
        predict(port, text=["ab", "a" * MAX_SOURCE])
    with pytest.raises(grpc.RpcError, match=r"INVALID_ARGUMENT[\s\S]*beam_width must be positive"):
        predict(port, "translate_search", text=["ab"], beam_width=0)
    with pytest.raises(grpc.RpcError, match=r"INVALID_ARGUMENT[\s\S]*expected \['text'\]"):
        predict(port, text=["ab"], beam_width=2)


@pytest.mark.thorough
def test_what_the_readme_tells_to_type(port: int, exported: Path, run: RunDirectory) -> None:
    (block,) = re.findall(
        r"```python serving\n(.*?)```", (exported / "README.md").read_text("utf-8"), re.DOTALL
    )
    first = json.loads((exported / "examples.json").read_text("utf-8"))[0]["source"]
    (best,) = ka.Translator.from_run(run.path)([first])
    said = fresh_python(block.replace("localhost:8500", f"127.0.0.1:{port}"), cwd=exported)
    assert said == best.text + "\n"
