from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

from keras_attention.text.runs import RunDirectory
from tests.export.toy import tokenizer, toy_run
from training.play import main
from training.playing.weights import read_models, restored, write_models
from training.recipes.reading import load_config

SIZES: dict[str, Any] = {
    "encoder": "lstm",
    "encoder_units": 5,
    "decoder_units": 5,
    "bridge": "copy",
    "query": "current",
    "input_feeding": False,
    "start_id": 2,
}
SCORES: dict[str, dict[str, Any]] = {
    "additive": {"attention": "bahdanau"},
    "general": {"attention": "luong", "score": "general"},
    "none": {"attention": None},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDirectory]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: toy_run(folder / name, **SIZES, **score) for name, score in SCORES.items()}


def test_the_file_holds_the_models(runs: dict[str, RunDirectory], tmp_path: Path) -> None:
    out = tmp_path / "play" / "weights.js"
    assert main([*(str(run.path) for run in runs.values()), str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("const STORED = {")
    toy = read_models(out)["toy"]
    assert set(toy["models"]) == set(SCORES)
    assert toy["source"][:4] == ["<pad>", "<s>", "⏎", "�"]
    assert toy["pairs"][0] == list(runs["none"].held_out()[0])
    for name, run in runs.items():
        model, found = run.model(), restored(toy["models"][name])
        assert asdict(found.config) == asdict(model.config)
        for variable, other in zip(model.weights, found.weights, strict=True):
            rounded = ops.convert_to_numpy(variable).astype("float16")
            np.testing.assert_array_equal(
                ops.convert_to_numpy(other), rounded, err_msg=variable.path
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bridge": "zeros"}, "The page needs bridge='copy', .*/run with bridge='zeros'"),
        ({"query": "previous"}, "The page needs query='current', .*/run with query='previous'"),
        ({"decoder_cell": "gru", "bridge": "zeros"}, "The page needs decoder_cell='lstm'"),
    ],
    ids=str,
)
def test_another_architecture_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_run(tmp_path / "run", **{**SIZES, "attention": "bahdanau", **changes})
    assert main([str(run.path), str(tmp_path / "weights.js")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "weights.js").exists()


def test_runs_of_a_recipe_must_have_the_same_tokens(
    runs: dict[str, RunDirectory], tmp_path: Path
) -> None:
    other = toy_run(tmp_path / "other", **SIZES, attention="bahdanau")
    tokenizer("abc").save(other.target_model)
    with pytest.raises(ValueError, match=r"must have the same tokens. Received: .*/other"):
        write_models([runs["none"], other], tmp_path / "weights.js")


def test_the_recipes_differ_in_sizes_alone() -> None:
    names = ("play-lecture", "play-commands", "play-dates")
    first, *others = [asdict(load_config(name).model) for name in names]
    sizes = ("embedding_size", "encoder_units", "decoder_units", "attention_units")
    for other in others:
        assert {name for name, value in other.items() if value != first[name]} == set(sizes)
