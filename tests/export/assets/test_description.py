from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest

import keras_attention as ka
from export.__main__ import main
from export.assets.description import write_json
from export.assets.reference import extremes, targets_to_score
from export.pipeline import export_run
from keras_attention.text.runs import RunDirectory
from keras_attention.text.translator import pad
from tests.export.toy import BEAM, MAX_SOURCE, MAX_TARGET, fresh_python, texts


def test_what_an_export_leaves(exported: Path, run: RunDirectory) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "README.md",
        "browser",
        "config.json",
        "examples.json",
        "mlserver",
        "onnx",
        "reference.npz",
        "saved_model",
        "source.model",
        "target.model",
        "tflite",
    }
    assert (exported / "source.model").read_bytes() == run.source_model.read_bytes()
    for paths in json.loads((exported / "config.json").read_text())["artefacts"].values():
        assert all((exported / path).exists() for path in paths)


def test_config(exported: Path) -> None:
    config = json.loads((exported / "config.json").read_text())
    assert config["name"] == "toy"
    assert config["formats"] == ["saved_model", "tflite", "onnx"]
    assert config["ids"] == {"padding": 0, "start": 1, "end": 2, "unknown": 3}
    assert config["max_source_length"] == MAX_SOURCE
    assert config["max_target_length"] == MAX_TARGET
    assert config["normalization"] == "nmt_nfkc"
    assert config["search"] == config["beam"] == {"beam_width": 3, "length_penalty": 0.6}
    greedy = config["signatures"]["greedy"]
    assert greedy["inputs"] == {"source": {"dtype": "int32", "shape": [None, None]}}
    assert greedy["outputs"]["attention"] == {"dtype": "float32", "shape": [None, 1, 11, None]}
    step = config["signatures"]["decode_step"]
    assert set(step["inputs"]) == {"tokens", "memory", "keys", "memory_mask", "state_0", "state_1"}
    assert config["signatures"]["score"] == {
        "inputs": dict.fromkeys(("source", "target"), greedy["inputs"]["source"]),
        "outputs": {"log_probabilities": {"dtype": "float32", "shape": [None, None]}},
    }
    assert config["signatures"]["translate"]["inputs"]["text"]["dtype"] == "string"
    assert config["versions"]["keras-seq2seq-attention"] == ka.__version__


def test_examples_are_the_models_own_output(exported: Path, run: RunDirectory) -> None:
    examples = json.loads((exported / "examples.json").read_text())
    assert [example["source"] for example in examples] == texts(53)
    expected = ka.Translator.from_run(run.path)(
        [example["source"] for example in examples], ka.GreedySearch()
    )
    assert [example["target"] for example in examples] == [each.text for each in expected]
    source_tokenizer, target_tokenizer = run.tokenizers()
    for example, translation in zip(examples, expected, strict=True):
        assert example["source_ids"] == [*source_tokenizer.encode([example["source"]])[0], 2]
        assert target_tokenizer.pieces(example["target_ids"]) == translation.tokens


def test_the_reference_holds_keras_and_the_extremes(exported: Path, run: RunDirectory) -> None:
    arrays = dict(np.load(exported / "reference.npz"))
    first = arrays["000/source"]
    lengths = (first != 0).sum(axis=1).tolist()
    assert lengths[:3] == [MAX_SOURCE, 2, 1]
    assert first[2, 0] == 2
    rows = [array for name, array in arrays.items() if name.endswith("source")]
    assert sum(map(len, rows)) == 53 + 3
    golds = run.tokenizers()[1].encode([target for _, target in run.held_out()[:2]])
    targets = pad([[0], [0], [0], *([*ids, 2] for ids in golds)])
    np.testing.assert_array_equal(arrays["000/target"], targets)
    found = run.model().generate(first, BEAM, MAX_TARGET)
    longest = found.ids.shape[2]
    assert arrays["000/beam/ids"].shape == (len(first), 3, MAX_TARGET)
    np.testing.assert_array_equal(arrays["000/beam/ids"][:, :, :longest], found.ids)
    np.testing.assert_array_equal(arrays["000/beam/attention"][:, :, :longest], found.attention)
    assert not arrays["000/beam/attention"][:, :, longest:].any()
    scored = arrays["000/score/log_probabilities"].sum(axis=1)
    np.testing.assert_allclose(scored[:3], arrays["000/greedy/scores"][:3, 0], atol=1e-4)
    pairs = zip(*run.held_out()[:2], strict=True)
    human = ka.Translator.from_run(run.path).score(*pairs)
    np.testing.assert_allclose(scored[3:], [x.log_probability for x in human], atol=1e-4)


def test_the_models_own_translation_is_scored_where_there_is_no_other() -> None:
    targets = np.array([[0, 0], [7, 2]])
    greedy = np.array([[[5, 6, 2, 0]], [[9, 8, 8, 2]]])
    assert targets_to_score(targets, greedy).tolist() == [[5, 6, 2], [7, 2, 0]]


def test_the_longest_source_is_made_of_held_out_ones() -> None:
    assert extremes([[5, 6, 2], [7, 2]], 6) == [[5, 6, 7, 5, 6, 2], [5, 2], [2]]
    assert pad([[5, 2], [2]]).tolist() == [[5, 2], [2, 0]]


def test_the_readmes_code_runs(exported: Path, run: RunDirectory) -> None:
    text = (exported / "README.md").read_text()
    assert "$" not in re.sub(r"\$PWD", "", text)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 5
    first = json.loads((exported / "examples.json").read_text())[0]
    assert json.dumps(first["source"], ensure_ascii=False) in blocks[0]
    translator = ka.Translator.from_run(run.path)
    (translation,) = translator([first["source"]])
    (scored,) = translator.score([first["source"]], [first["target"]])
    in_order = [translation.text, first["target"], translation.text, first["target"]]
    *printed, last = (fresh_python(block, cwd=exported) for block in blocks)
    assert printed == [x + "\n" for x in in_order]
    expected = [scored.log_probability, len(scored.tokens)]
    assert [float(x) for x in last.split()] == pytest.approx(expected, abs=1e-4)


def test_the_readme_says_what_its_code_needs(exported: Path) -> None:
    pattern = r"`pip install ([^`]+)`, then run in this folder:\n\n```python\n(.*?)```"
    found = re.findall(pattern, (exported / "README.md").read_text(), flags=re.DOTALL)
    assert len(found) == 5
    distributions = packages_distributions()
    for packages, block in found:
        needed = {distributions[name][0].replace("_", "-") for name in imported(block)}
        if "onnxruntime-extensions" in needed:
            needed.add("onnx")  # otherwise it imports the folder onnx/ as the package
        assert needed - {"numpy"} == set(packages.split())


def imported(code: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_ = [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in [*plain, *from_]}


def test_readable_json(tmp_path: Path) -> None:
    content = {"a": [1, 2], "b": {"c": {"d": [], "e": "[ x ]\n"}}, "f": [{"g": [1]}, {}], "h": None}
    text = write_json(tmp_path / "x.json", content).read_text()
    assert json.loads(text) == content
    assert '\n  "a": [1, 2],\n' in text


def test_wrong_use_ends_with_a_message(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing"), str(tmp_path / "out")]) == 2
    assert "There is no run directory" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"`formats`.*Received: \['pdf'\]"):
        export_run(run.path, tmp_path / "out", ["pdf"])
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_cut_examples_are_warned_of(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), str(tmp_path / "out"), "--formats", "saved_model"]) == 0
    captured = capsys.readouterr()
    made = json.loads((tmp_path / "out" / "examples.json").read_text())
    cut = sum(example["target_ids"][-1] != 2 for example in made)
    assert cut > 0
    assert f"warning: {cut} of {len(made)} examples were cut" in captured.err
    assert "python -m export.verify" in captured.out


@pytest.mark.parametrize("module", ["export.__main__", "export.verify.__main__", "export.summary"])
def test_help_needs_no_library(module: str) -> None:
    code = f"""
import sys
from {module} import main
try:
    main(["--help"])
except SystemExit:
    assert not {{"tensorflow", "keras", "numpy"}} & set(sys.modules)
"""
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "OUT" in done.stdout
