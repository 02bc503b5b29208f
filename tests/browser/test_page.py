"""The page of an export in headless Chromium: `make test-browser`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from export.__main__ import main as export
from export.pipeline import export_run
from export.verify.__main__ import main as verify
from keras_attention import GreedySearch, Translator
from keras_attention.export.browser.runtime import SCRIPT, WASM
from keras_attention.text.runs import RunDirectory
from tests.arrays import randomize
from tests.browser.chromium import MODULES, in_node, needs_chromium
from tests.export.toy import BEAM, tokenizer, toy_run
from tests.shared import made_once

TEXTS = ["abc", "jilk é 12", "hello 0", "", "   ", "abcdef ijklé"]
TOO_LONG = "a text must have at most".replace("t", "a")

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return RunDirectory(made_once(tmp_path_factory, "runs/toy", toy_run))


@pytest.fixture(scope="module")
def out(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(run.path, tmp_path_factory.mktemp("out") / "toy", ["onnx"], ["int8"])


def visit(out: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """What the page shows to a user who types the texts."""
    job = {
        "export": str(out),
        "texts": TEXTS,
        "search": "greedy",
        "precision": "float32",
        "screenshot": str(folder / "page"),
        "cdn": {},
        **changes,
    }
    result: dict[str, Any] = json.loads(in_node("drive.mjs", folder, job))
    return result


@pytest.mark.parametrize("search", [GreedySearch(), BEAM], ids=["greedy", "beam"])
def test_the_page_gives_what_keras_gives(
    run: RunDirectory, out: Path, tmp_path: Path, search: Any
) -> None:
    name = "greedy" if search.width == 1 else "beam"
    page = visit(out, tmp_path, search=name)
    translations = Translator.from_run(run.path)(TEXTS, search)
    for text, answer, expected in zip(TEXTS, page["answers"], translations, strict=True):
        if not text.strip():
            assert answer["status"] == "Type a text."
            assert not answer["isShown"]
            continue
        assert answer["status"].startswith("Translated in ")
        hypotheses = [expected, *expected.others]
        assert answer["hypotheses"] == [x.text or "(empty)" for x in hypotheses]
        scores = [x.score for x in hypotheses]
        np.testing.assert_allclose([float(x) for x in answer["scores"]], scores, atol=6e-4)
        weights = [float(x.removesuffix(" %")) / 100 for x in answer["weights"]]
        np.testing.assert_allclose(weights, np.ravel(expected.attention), atol=6e-3)
    assert page["said"] == []


def test_by_keyboard_and_for_screen_readers(out: Path, tmp_path: Path) -> None:
    page = visit(out, tmp_path)
    examples = json.loads((out / "examples.json").read_text(encoding="utf-8"))
    assert page["example"] == examples[0]["source"]
    assert page["first"]["hypotheses"][0]
    weights = [float(x.removesuffix(" %")) for x in page["focused"]]
    assert sum(weights) == pytest.approx(100, abs=3)
    assert page["focused"] != page["afterTab"]
    assert page["hovered"] == page["focused"]
    strongest = max(page["afterTab"], key=lambda x: float(x.removesuffix(" %")))
    assert page["label"].endswith(f", {strongest}")
    assert page["violations"] == []
    assert (tmp_path / "page-dark.png").stat().st_size > 10_000


def test_weights_in_8_bits(out: Path, tmp_path: Path) -> None:
    page = visit(out, tmp_path, precision="int8", search="beam")
    shown = [answer["isShown"] for answer in page["answers"]]
    assert shown == [bool(text.strip()) for text in TEXTS]
    assert page["said"] == []


def test_what_goes_wrong_is_said(out: Path, tmp_path: Path) -> None:
    page = visit(out, tmp_path, texts=[TOO_LONG])
    assert page["answers"][0]["isError"]
    assert page["answers"][0]["status"].startswith("A text must have at most 12 pieces; this one ")
    broken = shutil.copytree(out, tmp_path / "broken")
    for file in (broken / "onnx").glob("*.onnx"):
        file.unlink()
    first = visit(broken, tmp_path)["first"]
    assert first["isError"]
    assert first["status"].endswith(".onnx cannot be loaded (404)")


def test_another_runtime_than_that_of_the_checksums_is_refused(out: Path, tmp_path: Path) -> None:
    page = visit(out, tmp_path, cdn={SCRIPT: "globalThis.hasRun = true;"})
    assert page["first"]["isError"]
    assert "out of reach, it has another checksum than index.html" in page["first"]["status"]
    assert not page["hasRun"]
    page = visit(out, tmp_path, cdn={WASM: " "})
    assert page["first"]["isError"]
    assert f"{WASM} cannot be loaded, or it has another checksum" in page["first"]["status"]
    other = shutil.copytree(out, tmp_path / "other")
    index = other / "browser" / "index.html"
    changed = index.read_text("utf-8").replace("onnxruntime-web@1.", "onnxruntime-web@0.")
    index.write_text(changed, "utf-8")
    page = visit(other, tmp_path)
    assert page["first"]["isError"]
    assert "or index.html was changed" in page["first"]["status"]


def test_a_page_with_the_runtime_beside_it_asks_nobody_else(
    run: RunDirectory, tmp_path: Path
) -> None:
    out = tmp_path / "toy"
    package = ["--onnxruntime-web", str(MODULES / "onnxruntime-web")]
    assert export([str(run.path), str(out), "--formats", "onnx", *package]) == 0
    page = visit(out, tmp_path, cdn={SCRIPT: None, WASM: None})
    assert page["answers"][0]["isShown"]
    assert page["said"] == []
    assert verify([str(out), "--browser"]) == 0


HOSTILE = [
    "<img src=x onerror='hasRun = 1'>",
    "</textarea><script>hasRun = 1</script>",
    "<iframe srcdoc='<script>parent.hasRun = 1</script>'>",
    "${hasRun = 1}",
]


def test_what_a_stranger_wrote_into_an_export_stays_text(out: Path, tmp_path: Path) -> None:
    foreign = shutil.copytree(out, tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text("utf-8"))
    config["name"] = HOSTILE[1]
    (foreign / "config.json").write_text(json.dumps(config), "utf-8")
    examples = [{"source": text} for text in HOSTILE]
    (foreign / "examples.json").write_text(json.dumps(examples), "utf-8")
    for side in ("source", "target"):
        file = foreign / "browser" / f"{side}.tokenizer.json"
        content = json.loads(file.read_text("utf-8"))
        content["pieces"][3:] = [f"{HOSTILE[0]}{i}" for i in range(len(content["pieces"]) - 3)]
        file.write_text(json.dumps(content), "utf-8")
    page = visit(foreign, tmp_path, texts=HOSTILE)
    assert page["first"]["title"] == HOSTILE[1]
    assert page["first"]["examples"] == HOSTILE
    assert any(HOSTILE[0] in piece for piece in page["pieces"])
    assert not page["hasRun"]
    assert not {"img", "iframe"} & set(page["parts"])
    assert page["parts"].count("script") == 3
    assert page["said"] == []


def page_row(out: Path) -> dict[str, Any]:
    verification = json.loads((out / "verification.json").read_text(encoding="utf-8"))
    (row,) = (row for row in verification["rows"] if row["format"] == "browser")
    return row


def test_verify_runs_the_page(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONNXRUNTIME_WEB", str(MODULES / "onnxruntime-web"))
    copy = shutil.copytree(out, tmp_path / "toy")
    assert verify([str(copy), "--browser"]) == 0
    comparison = page_row(copy)["comparison"]
    assert comparison["inputs"] == comparison["equal"] == 53
    assert 0 < comparison["attention_difference"] < 1e-5
    (copy / "browser" / "tokenizer.js").write_text("export const Tokenizer = 5;", "utf-8")
    assert verify([str(copy), "--browser"]) == 1
    assert "does not run in a browser" in page_row(copy)["comparison"]["problem"]


def test_a_page_without_attention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONNXRUNTIME_WEB", str(MODULES / "onnxruntime-web"))
    sizes = {"attention": None, "encoder": "lstm", "bridge": "copy", "decoder_units": 5}
    run = toy_run(tmp_path / "run", **sizes)
    out = export_run(run.path, tmp_path / "toy", ["onnx"])
    assert verify([str(out), "--browser"]) == 0
    assert page_row(out)["comparison"]["attention_difference"] is None
    page = visit(out, tmp_path)
    assert page["answers"][0]["isShown"]
    assert page["answers"][0]["weights"] == []


class Copier(ka.model.StepModel, keras.Model):
    """A model of one's own that reads and writes ids of the toy's tokenizer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.source_specs = keras.InputSpec(shape=(None, None), dtype="int32")
        self.source_vocabulary = self.target_vocabulary = size
        self.embed = keras.layers.Embedding(size, 6, mask_zero=True)
        self.encoder = ka.BiLSTMEncoder(4)
        self.decoder = ka.AttentionDecoder(keras.layers.GRUCell(8), ka.BahdanauAttention(5))
        self.words = keras.layers.Dense(size)

    def read(self, source: Any) -> tuple[Any, Any]:
        mask = keras.ops.not_equal(source, 0)
        encoded, *_ = self.encoder(self.embed(source), mask=mask)
        return encoded, mask

    def call(self, inputs: Any) -> Any:
        encoded, mask = self.read(inputs["source"])
        embedded = self.embed(inputs["target"])
        return self.words(self.decoder(embedded, memory=encoded, memory_mask=mask))

    def encode(self, source: Any) -> tuple[Any, Any]:
        memory = self.decoder.prepare(*self.read(source))
        return memory, self.decoder.initial_state(memory)

    def decode_step(self, tokens: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        output, weights, state = self.decoder.step(self.embed(tokens), state, memory)
        return keras.ops.log_softmax(self.words(output)), weights, state


def test_a_page_of_a_model_of_ones_own(tmp_path: Path) -> None:
    letters = tokenizer()
    model = Copier(letters.vocabulary_size)
    model({"source": np.ones((1, 2), "int32"), "target": np.ones((1, 1), "int32")})
    randomize(model, seed=3, scale=1.5)
    options: dict[str, Any] = {"tokenizers": (letters, letters), "examples": ["abc"]}
    options["precisions"] = ("float32", "int8")
    page = ka.export.to_page(
        model, tmp_path / "copier", max_length=6, beam=BEAM, max_source_length=13, **options
    )
    assert page == tmp_path / "copier" / "browser" / "index.html"
    shown = visit(tmp_path / "copier", tmp_path, search="beam")
    translator = Translator(model, letters, letters, 13, 6)
    for text, answer, expected in zip(
        TEXTS, shown["answers"], translator(TEXTS, BEAM), strict=True
    ):
        if text.strip():
            hypotheses = [expected, *expected.others]
            assert answer["hypotheses"] == [x.text or "(empty)" for x in hypotheses]
            weights = [float(x.removesuffix(" %")) / 100 for x in answer["weights"]]
            np.testing.assert_allclose(weights, np.ravel(expected.attention), atol=6e-3)
    assert shown["said"] == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="a new folder or a page to replace"):
        ka.export.to_page(model, tmp_path / "other", **options)
