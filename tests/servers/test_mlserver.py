"""The server of an export, asked by tritonclient: `make test-servers`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import keras_attention as ka
from export.pipeline import export_run
from keras_attention.text.runs import RunDirectory
from tests.export.toy import BEAM, MAX_SOURCE, texts, toy_run
from tests.servers.mlserver_process import PROGRAMS, PROTOCOLS, Server, of_texts, run, serving
from tests.shared import made_once

HARD = ["", " ", "  a  b ", "e\u0301 ＡＢ", "ЖЖЖ", "\u200b", "abc\tdef", "0" * 12, "\ufeffa", "ﬁ ½"]
GIVEN = [*HARD, *texts(53)]
TOO_LONG = "a" * MAX_SOURCE  # and the end token

pytestmark = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="`make test-servers` installs what this needs"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(made_once(tmp_path_factory, "runs/toy", toy_run))


@pytest.fixture(scope="module")
def out(trained: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "toy"
    return export_run(trained.path, folder, ["onnx"], ["int8"])


@pytest.fixture(scope="module")
def server(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(out, tmp_path_factory.mktemp("log") / "server.log", in_flight=1000) as started:
        yield started


@pytest.fixture(scope="module")
def expected(trained: RunDirectory) -> dict[str, tuple[list[str], list[float]]]:
    """Translations and scores of each text from Python's translator."""
    found = {}
    for text, best in zip(GIVEN, ka.Translator.from_run(trained.path)(GIVEN), strict=True):
        hypotheses = [best, *best.others]
        if len(hypotheses) == BEAM.width:
            found[text] = [x.text for x in hypotheses], [x.score for x in hypotheses]
        else:
            found[text] = [""] * BEAM.width, [0.0] * BEAM.width
    return found


def with_settings(out: Path, copy: Path, **changes: Any) -> Path:
    """An export whose server has other settings."""
    shutil.copytree(out, copy)
    file = copy / "mlserver" / "model-settings.json"
    settings = json.loads(file.read_text("utf-8"))
    settings["parameters"]["extra"] |= changes.pop("extra", {})
    file.write_text(json.dumps(settings | changes), "utf-8")
    return copy


def assert_equal(answer: dict[str, Any], row: int, expected: tuple[list[str], list[float]]) -> None:
    assert "error" not in answer, answer
    assert answer["translation"][row] == expected[0]
    np.testing.assert_allclose(answer["scores"][row], expected[1], atol=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_python_gives(server: Server, expected: dict[str, Any], protocol: str) -> None:
    (answer,) = server.ask(protocol, [of_texts(*GIVEN)])
    assert len(answer["translation"]) == len(answer["scores"]) == len(GIVEN)
    for row, text in enumerate(GIVEN):
        assert_equal(answer, row, expected[text])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_at_once_get_what_each_gets_alone(
    server: Server, expected: dict[str, Any], protocol: str
) -> None:
    asked = 3 * GIVEN
    answers = server.ask(protocol, [of_texts(text) for text in asked])
    for text, answer in zip(asked, answers, strict=True):
        assert_equal(answer, 0, expected[text])
    alone = [server.ask(protocol, [of_texts(text)])[0] for text in asked[10:13]]
    assert [x["translation"] for x in answers[10:13]] == [x["translation"] for x in alone]


def test_what_goes_wrong_fails_alone(server: Server, expected: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []
    for text in GIVEN:
        given_up = {**of_texts(text), "timeout": 0.001}
        asked += [of_texts(text), of_texts(TOO_LONG), given_up, {**of_texts(text), "name": "txt"}]
    answers = server.ask("grpc", asked)
    for text, answer in zip(GIVEN, answers[::4], strict=True):
        assert_equal(answer, 0, expected[text])
    for answer in answers[1::4]:
        assert answer["error"].startswith(
            "StatusCode.INVALID_ARGUMENT: Text 1 must have at most 13 tokens"
        )
    assert any("DEADLINE_EXCEEDED" in answer.get("error", "") for answer in answers[2::4])
    assert all("The only input must be `text`" in answer["error"] for answer in answers[3::4])
    (after,) = server.ask("grpc", [of_texts(GIVEN[-1])])
    assert_equal(after, 0, expected[GIVEN[-1]])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_clear_error(server: Server, protocol: str) -> None:
    wrong = {
        f"Text 2 must have at most {MAX_SOURCE} tokens, including the end token, but has "
        f"{MAX_SOURCE + 1}. Received: '{TOO_LONG}'": of_texts("a", TOO_LONG),
        "The only input must be `text`. Received: source": {**of_texts("a"), "name": "source"},
        "Input `text` must have the datatype BYTES. Received: FP32": {
            "shape": [1],
            "data": [1.5],
            "datatype": "FP32",
        },
        "Input `text` must have shape [B], with B texts. Received: shape [1, 2], 2 texts": {
            "shape": [1, 2],
            "data": ["a", "b"],
        },
        "Outputs must be translation or scores. Received: attention": {
            **of_texts("a"),
            "outputs": ["scores", "attention"],
        },
    }
    status = {"grpc": "StatusCode.INVALID_ARGUMENT", "http": "400"}[protocol]
    answers = server.ask(protocol, list(wrong.values()))
    assert [answer["error"] for answer in answers] == [f"{status}: {line}" for line in wrong]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_texts_and_one_output(server: Server, expected: dict[str, Any], protocol: str) -> None:
    none, scores = server.ask(
        protocol, [of_texts(), {**of_texts(GIVEN[-1]), "outputs": ["scores"]}]
    )
    assert none == {"translation": [], "scores": []}
    assert list(scores) == ["scores"]
    np.testing.assert_allclose(scores["scores"], [expected[GIVEN[-1]][1]], atol=1e-5)


def test_what_is_not_a_string(server: Server) -> None:
    address = f"http://127.0.0.1:{server.ports['http']}/v2/models/toy/infer"
    given = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a", 5]}
    request = urllib.request.Request(
        address, json.dumps({"inputs": [given]}).encode(), {"content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as response:
        assert response.status == 400
        said = json.loads(response.read())["error"]
    assert said == "Input `text` must hold strings. Received: text 2, 5"


def test_weights_in_8_bits(out: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    changed = with_settings(out, tmp_path / "toy", extra={"precision": "int8", "threads": 2})
    with serving(changed, tmp_path / "server.log", in_flight=1000) as started:
        (answer,) = started.ask("grpc", [of_texts(*GIVEN)])
    scores = np.array([expected[text][1] for text in GIVEN])
    assert np.shape(answer["translation"]) == scores.shape
    difference = np.abs(answer["scores"] - scores).max(axis=1)
    assert 0 < np.median(difference) < 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"extra": {"precision": "int4"}},
            "This export has no translate.int4.onnx. Available: translate.int8.onnx, "
            "translate.onnx. Received: precision='int4'",
        ),
        (
            {"max_batch_size": 4, "max_batch_time": 0.1},
            "`max_batch_time` must be 0, because this runtime has its own batching. "
            "Received: max_batch_time=0.1",
        ),
    ],
)
def test_wrong_settings(out: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    changed = with_settings(out, tmp_path / "toy", **changes)
    with (
        pytest.raises(RuntimeError, match=re.escape(message)),
        serving(changed, tmp_path / "server.log"),
    ):
        pass


@pytest.mark.parametrize("file", ["onnx/translate.onnx", "mlserver/lengths.onnx"])
def test_a_file_that_reads_others_is_not_opened(out: Path, tmp_path: Path, file: str) -> None:
    copy = with_settings(out, tmp_path / "toy")
    model = onnx.load(copy / file)
    model.graph.initializer.add(name="evil", data_location=onnx.TensorProto.EXTERNAL)
    model.graph.initializer[-1].external_data.add(key="location", value="/etc/passwd")
    (copy / file).unlink()
    onnx.save(model, copy / file)
    with (
        pytest.raises(RuntimeError, match="is refused before it runs: it reads tensors from '/etc"),
        serving(copy, tmp_path / "server.log"),
    ):
        pass


def test_batches(out: Path) -> None:
    code = """
import asyncio, json, threading
from runtime import Batcher

batches, go_on = [], threading.Event()

def translate(texts):
    batches.append(texts)
    go_on.wait()
    return [text.upper() for text in texts]

async def main():
    batcher = Batcher(translate, most=3, threads=1)
    texts = ["aaaa", "b", "cccc", "dd", "ee", "ffff", "g"]
    asked = [asyncio.create_task(batcher([text], [len(text)])) for text in texts]
    several = asyncio.create_task(batcher(["hhh", "ii"], [3, 2]))
    await asyncio.sleep(0.1)
    asked[4].cancel()
    await asyncio.sleep(0)
    go_on.set()
    found = await asyncio.gather(*asked, several, return_exceptions=True)
    print(json.dumps([batches, [x for x in found if isinstance(x, list)]]))

asyncio.run(main())
"""
    batches, found = json.loads(run("python", "-c", code, cwd=out / "mlserver"))
    assert batches == [["aaaa"], ["b", "g", "dd"], ["cccc", "ffff", "hhh"], ["ii"]]
    assert found == [["AAAA"], ["B"], ["CCCC"], ["DD"], ["FFFF"], ["G"], ["HHH", "II"]]


def test_a_large_request_fills_the_places_that_others_leave(out: Path) -> None:
    code = """
import asyncio, json
from runtime import Batcher

batches = []

async def main():
    batcher = Batcher(lambda texts: batches.append(texts) or texts, most=3, threads=1)
    large = asyncio.create_task(batcher(100 * ["large"], 100 * [2]))
    small = [asyncio.create_task(batcher([str(number)], [5])) for number in range(10)]
    await asyncio.gather(*small)
    await asyncio.sleep(0)
    large.cancel()
    until_then = len(batches)
    await asyncio.sleep(0.2)
    print(json.dumps([batches[:6], len(batches) - until_then]))

asyncio.run(main())
"""
    batches, afterwards = json.loads(run("python", "-c", code, cwd=out / "mlserver"))
    assert batches == [
        ["large", "large", "large"],
        ["large", "0", "1"],
        ["2", "3", "4"],
        ["5", "6", "7"],
        ["8", "9", "large"],
        ["large", "large", "large"],
    ]
    assert afterwards <= 1  # the one that ran


def test_what_the_readme_tells_to_type(
    server: Server, out: Path, trained: RunDirectory, tmp_path: Path
) -> None:
    readme = (out / "README.md").read_text("utf-8")
    first = json.loads((out / "examples.json").read_text("utf-8"))[0]["source"]
    (best,) = ka.Translator.from_run(trained.path)([first])

    (command,) = re.findall(r"^curl .*/v2/.*$", readme, re.MULTILINE)
    _, address, header, kind, option, body = shlex.split(command)
    assert (header, option) == ("-H", "-d")
    address = "http://" + address.replace("localhost:8080", f"127.0.0.1:{server.ports['http']}")
    request = urllib.request.Request(address, body.encode(), dict([kind.split(": ")]))
    with urllib.request.urlopen(request, timeout=30) as response:
        assert json.loads(response.read())["outputs"][0]["data"][0] == best.text

    (block,) = re.findall(r"```python triton\n(.*?)```", readme, flags=re.DOTALL)
    block = block.replace("localhost:8081", f"127.0.0.1:{server.ports['grpc']}")
    assert run("python", "-c", block, cwd=tmp_path) == best.text + "\n"
