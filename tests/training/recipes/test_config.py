from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from keras_attention import Seq2SeqConfig
from training.corpora.pairs import CorpusFiles
from training.program import ConfigError
from training.recipes.config import (
    CorpusConfig,
    DatesConfig,
    OptimizationConfig,
    PairsConfig,
    SamplingConfig,
    SearchConfig,
    TextConfig,
    TrainConfig,
)
from training.recipes.reading import RECIPES, config_from, load_config

ROOT = Path(__file__).parents[3]
SECTIONS = (
    DatesConfig,
    CorpusConfig,
    PairsConfig,
    TextConfig,
    OptimizationConfig,
    SamplingConfig,
    SearchConfig,
    TrainConfig,
    Seq2SeqConfig,
)


def recipe(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_recipe_by_its_name() -> None:
    config = load_config("dates")
    assert (config.name, config.data.task, config.text.model_type) == ("dates", "dates", "char")
    assert config.text.normalization == "nmt_nfkc_cf"
    assert config.search == SearchConfig(beam_width=1)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_a_configuration_and_known_by_name_and_by_file(path: Path) -> None:
    files = ["data.train.tsv=[pairs.tsv]"] if path.stem.startswith("corpus") else []
    assert load_config(path.stem, files) == load_config(str(path), files)


def test_what_a_recipe_does_not_say_has_its_default(tmp_path: Path) -> None:
    config = load_config(recipe(tmp_path, "training:\n  batch_size: 7\nmodel:\n"))
    assert config.name == "mine"
    assert config.training == OptimizationConfig(batch_size=7)
    assert config.data == DatesConfig()
    assert config.model == Seq2SeqConfig(4, 4)


def test_overrides_are_yaml_and_the_last_one_counts() -> None:
    overrides = [
        "training.batch_size=5",
        "training.batch_size=7",
        "training.learning_rate=2e-3",
        "training.jit_compile=true",
        "model.attention=null",
        "model.query=current",
        "name=other",
    ]
    config = load_config("dates", overrides)
    assert config.training.batch_size == 7
    assert config.training.learning_rate == 0.002
    assert config.training.jit_compile is True
    assert (config.model.attention, config.model.query) == (None, "current")
    assert config.name == "other"


def test_an_override_reaches_into_a_section_that_the_recipe_leaves_empty(tmp_path: Path) -> None:
    config = load_config(recipe(tmp_path, "search:\n"), ["search.beam_width=3"])
    assert config.search.beam_width == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.stepz=3"], r"Unknown key `training.stepz`. Known: .*\bsteps\b"),
        (["trainig.steps=3"], r"Unknown key `trainig`. Known: data, model, name"),
        (["model.units=3"], "Unknown key `model.units`. Known: .*encoder_units"),
        (["training.batch_size=many"], "Key `training.batch_size`: .*integer.* Received: 'many'"),
        (["training.learning_rate=fast"], "Key `training.learning_rate`: .*number"),
        (["training.jit_compile=2"], "^Key `training.jit_compile`: .*bool.*, or auto. Received: 2"),
        (["training.max_shapes=few"], "^Key `training.max_shapes`: .*integer.*, or auto. Received"),
        (["training.max_shapes=0"], "Key `training`: .*`max_shapes` must be .*positive"),
        (["data.task=speech"], "Key `data.task`: .*'dates'.* Received: 'speech'"),
        (["data.task=pairs"], r"Key `data`: Argument `pairs` must be .*: pairs=\[\]"),
        (
            ["data.task=pairs", 'data.pairs=[["to\\ngo", ir]]'],
            "Key `data`: .* each a single line",
        ),
        (["data.task=pairs", "data.pairs=[[ir]]"], "Key `data.pairs.0.1`: Field required"),
        (["text.model_type=syllable"], "Key `text.model_type`: .*'unigram'"),
        (["text.normalization=nfd"], "Key `text.normalization`: .*'nmt_nfkc_cf'"),
        (["training.dtype=float64"], "Key `training.dtype`: .*'mixed_bfloat16'"),
        (["training=3"], "Key `training` must be a section. Received: 3"),
        (["name.first=3"], "Key `name.first`: `name` must be a section. Received: 'dates'"),
        (["training.steps"], "must have the form key=value. Received: 'training.steps'"),
        (["training.steps=[3"], r"Key `training.steps`: must be valid YAML. Received: '\[3'"),
        (["model.encoder=gru"], "Key `model.encoder`: .*'bilstm'"),
        (["model.encoder_units=0"], "Key `model`: .*`encoder_units` .* Received: encoder_units=0"),
        (["model.dropout=1.5"], "Key `model`: .*`dropout` .* Received: dropout=1.5"),
        (
            ["training.batch_tokens=9"],
            r"set the other to null .*training.batch_size=null\). Received: batch_size=128, ba",
        ),
        (["training.patience=0"], "Key `training`: .*`patience` .* Received: patience=0"),
        (["model.tie_embeddings=output"], "`attention_layer_units` must equal .*embedding_size=64"),
        (
            ["model.tie_embeddings=all", "model.attention_layer_units=64"],
            "requires one vocabulary: text.shared must be true. Received: text.shared=False",
        ),
        (
            ["text.shared=true", "text.target_normalization=identity"],
            "must equal `normalization` if `shared` is true.* target_normalization='identity'",
        ),
        (
            ["text.shared=true", "text.target_model_type=word"],
            "`target_model_type` must equal `model_type` if .* target_model_type='word'",
        ),
        (
            ["text.shared=true", "text.source_model=a.model"],
            "`source_model` must be None or equal .* source_model='a.model', target_model=None",
        ),
        (["training.batch_size=0"], "Key `training`: .*`batch_size` .* Received: batch_size=0"),
        (
            ["training.steps=70", "training.steps_per_epoch=30"],
            "training.steps=90, or training.steps_per_epoch=14. Received: steps=70, steps_per_ep",
        ),
        (["training.steps=200"], "training.steps=300, or training.steps_per_epoch=200. Received"),
        (["training.learning_rate=0"], "`learning_rate` must be greater than 0"),
        (["training.warmup_steps=-1"], "`warmup_steps` must not be negative"),
        (["training.label_smoothing=1"], "`label_smoothing` must be at least 0 and below 1"),
        (["data.dev_pairs=0"], "Key `data`: .*`dev_pairs`"),
        (["data.seed=-1"], "Key `data`: .*`seed` must not be negative"),
        (["text.source_vocabulary=0"], "Key `text`: .*`source_vocabulary`"),
        (["search.beam_width=0"], "Key `search`: .*`beam_width`"),
        (["search.length_penalty=-0.5"], "Key `search`: .*`length_penalty` must not be negative"),
    ],
)
def test_a_wrong_override_is_an_error_that_names_the_key(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("dates", overrides)


def test_files_of_pairs_say_which_task_it_is(tmp_path: Path) -> None:
    mine = recipe(tmp_path, "data:\n  train:\n    tsv: [a.tsv]\n")
    expected = CorpusConfig(train=CorpusFiles(tsv=["a.tsv"]))
    assert load_config(mine).data == expected
    with pytest.raises(ConfigError, match=r"Unknown key `data.trian`. Known: .*train"):
        load_config(mine, ["data.trian=x"])
    empty = recipe(tmp_path, "data:\n")
    assert load_config(empty, ["data.train.tsv=a.tsv"]).data == expected


def test_other_files_than_a_recipe_has(tmp_path: Path) -> None:
    mine = recipe(tmp_path, "data:\n  train:\n    source: a.de\n    target: [a.en]\n")
    with pytest.raises(ConfigError, match=r"data.train.source=null data.train.target=null"):
        load_config(mine, ["data.train.tsv=b.tsv"])
    nulls = ["data.train.source=null", "data.train.target=null"]
    config = load_config(mine, [*nulls, "data.train.tsv=b.tsv"])
    assert config.data == CorpusConfig(train=CorpusFiles(tsv=["b.tsv"]))
    assert load_config(recipe(tmp_path, config.to_yaml())) == config


def test_several_wrong_values_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_config("dates", ["training.steps=a", "data.seed=b"])
    assert {"`training.steps`", "`data.seed`"} <= set(re.findall("`[^`]+`", str(error.value)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "must be a mapping. Received: list"),
        ("a: [", "is not valid YAML"),
        ("", "NoneType"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(recipe(tmp_path, text))


@pytest.mark.parametrize("name", ["datez", "nowhere/else.yaml", "../recipes"])
def test_an_unknown_recipe_is_an_error_that_names_those_there_are(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"Unknown recipe '{name}'. Choose one of .*dates.*, or a YAML file"
    ):
        load_config(name)


def test_a_batch_has_64_pairs_where_nothing_is_said() -> None:
    assert OptimizationConfig().batch_size == 64
    assert OptimizationConfig(batch_tokens=512).batch_size is None


def test_a_configuration_survives_yaml(tmp_path: Path) -> None:
    overrides = ["model.attention=null", "training.learning_rate=3e-5", "name=Größe", "data.seed=7"]
    config = load_config("dates", overrides)
    assert load_config(recipe(tmp_path, config.to_yaml())) == config


def test_a_configuration_is_made_of_nothing_but_what_is_written() -> None:
    assert config_from({"name": "x"}) == TrainConfig("x")
    with pytest.raises(ConfigError, match="Key `name`"):
        config_from({})


@pytest.mark.parametrize("section", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_key_is_documented(section: type) -> None:
    text = "\n".join(inspect.getdoc(one) or "" for one in section.__mro__)
    for item in fields(section):
        assert re.search(rf"^    (\w+, )*{item.name}(, \w+)*: ", text, re.MULTILINE), item.name


def test_help_does_not_wait_for_tensorflow() -> None:
    code = (
        "import sys; from training.train import main\n"
        "try: main(['--help'])\n"
        "finally: print('LOADED', {'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0
    assert "--recipe" in done.stdout
    assert "LOADED set()" in done.stdout
