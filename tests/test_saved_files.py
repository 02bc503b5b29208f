"""Files written by an earlier layout of this package must load, resume and verify.

tests/data/README.md describes the contents and the origin of `tests/data/saved_files.tar.xz`.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention as ka
from export.verify.verification import verify
from keras_attention.text.runs import RunDirectory
from tests.arrays import randomize
from tests.conformance.registry import REGISTRY
from tests.conformance.test_conformance import outputs
from tests.variants import variants
from training.recipes.reading import load_config
from training.train import main

ARCHIVE = Path(__file__).parent / "data" / "saved_files.tar.xz"


def saved_layers() -> list[str]:
    with tarfile.open(ARCHIVE) as archive:
        paths = map(Path, archive.getnames())
        return sorted(path.stem for path in paths if path.match("layers/*.keras"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "saved"


def expected(saved: Path, name: str) -> list[np.ndarray]:
    with np.load(saved / "layers.npz") as arrays:
        count = sum(key.startswith(f"{name}/") for key in arrays)
        return [arrays[f"{name}/{i}"] for i in range(count)]


@pytest.mark.parametrize("name", saved_layers())
def test_a_model_of_each_layer_loads_and_answers_the_same(saved: Path, name: str) -> None:
    model = keras.saving.load_model(saved / "layers" / f"{name}.keras")
    found = outputs(model, REGISTRY[name].arrays(2, 5, 3))
    for one, other in zip(found, expected(saved, name), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_weights_alone_load(saved: Path) -> None:
    model = REGISTRY["Seq2Seq-deep"].model()
    randomize(model, seed=1)
    model.load_weights(saved / "layers" / "Seq2Seq-deep.weights.h5")
    (found,) = outputs(model, REGISTRY["Seq2Seq-deep"].arrays(2, 5, 3))
    np.testing.assert_allclose(found, expected(saved, "Seq2Seq-deep")[0], atol=1e-5)


def weights(run: Path) -> list[np.ndarray]:
    return RunDirectory(run).require_complete().model().get_weights()


def train_again(run: Path) -> int:
    return main(["--recipe", str(run / "config.yaml"), "--out", str(run)])


def test_a_finished_run_is_complete(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_again(saved / "finished") == 0
    assert "is complete: nothing to train." in capsys.readouterr().out
    translator = ka.Translator.from_run(saved / "finished")
    examples = json.loads((saved / "export" / "examples.json").read_text(encoding="utf-8"))
    found = translator([example["source"] for example in examples])
    assert [x.text for x in found] == [example["target"] for example in examples]


@pytest.mark.thorough
def test_an_interrupted_run_resumes_to_what_the_finished_one_gave(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_again(saved / "interrupted") == 0
    assert "Resuming" in capsys.readouterr().out
    for ours, theirs in zip(
        weights(saved / "interrupted"), weights(saved / "finished"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_a_recipe_with_the_keys_of_then_is_read() -> None:
    assert load_config("dates", ["model.attention_heads=2"]).model.num_heads == 2


@variants("formats", [("onnx",), ("keras", "saved_model", "tflite", "onnx")])
def test_an_export_verifies(saved: Path, tmp_path: Path, formats: tuple[str, ...]) -> None:
    out = tmp_path / "export"
    shutil.copytree(saved / "export", out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert set(config["artefacts"]) == {"saved_model", "tflite", "onnx"}
    kept = config["artefacts"].items()
    config["artefacts"] = {kind: files for kind, files in kept if kind in formats}
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    rows = verify(out, saved / "finished" if "keras" in formats else None)
    assert {row.format for row in rows} == set(formats)
    assert [row for row in rows if not row.comparison.passed] == []
