"""A training from shards: what it learns, how it is resumed, and shards that do not fit it."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from keras_attention.ids import END_ID, START_ID
from tests.training.conftest import BARE, SMALL_CORPUS
from tests.training.shards.conftest import SETTINGS, Prepare
from training.fitting.batches import Share
from training.fitting.budget import Budget
from training.fitting.pipeline import training_batches
from training.fitting.tasks import task_of
from training.program import ConfigError, CorpusError
from training.recipes.config import CorpusConfig
from training.recipes.reading import load_config
from training.shards.folder import ShardFolder, ShardPasses, shard_name
from training.train import main

TRAINING = [
    *(option for option in SMALL_CORPUS if option.startswith(("model", "training"))),
    *BARE,
    "model.attention_layer_units=null",
    "model.tie_embeddings=null",
]


def metrics(run: str) -> list[dict[str, float]]:
    lines = (Path(run) / "metrics.jsonl").read_text().splitlines()
    names = ("loss", "accuracy", "val_loss", "val_bleu")
    return [{name: json.loads(line)[name] for name in names} for line in lines]


def train(run: str, *arguments: str) -> int:
    return main(["--recipe", "corpus", *TRAINING, *arguments, "--out", run])


def test_a_training_from_one_shard_is_that_from_its_text(prepare: Prepare) -> None:
    assert prepare("shards") == 0
    assert train("from-text", *SETTINGS) == 0
    assert train("from-shards", "data.train.shards=shards") == 0
    assert metrics("from-shards") == metrics("from-text")
    held_out = [(Path(run) / "held_out.tsv").read_text() for run in ("from-text", "from-shards")]
    assert held_out[0] == held_out[1] != ""
    assert train("from-shards", "data.train.shards=shards") == 0  # complete


def test_batches_of_shards_can_be_entered_anywhere_and_shared(prepare: Prepare) -> None:
    assert prepare("shards", "--shard-pairs", "40") == 0
    folder = ShardFolder("shards")
    passes, budget = ShardPasses(folder, seed=3), Budget(pairs=16)

    def batches(first: int, count: int, share: Share) -> list[np.ndarray]:
        dataset = training_batches(passes, START_ID, budget, 3, first, share)
        return [labels for _, labels in islice(dataset.as_numpy_iterator(), count)]

    whole = batches(0, 40, Share())
    of_a_pass = -(-folder.manifest.pairs // 16)
    read = sum(np.count_nonzero(labels == END_ID) for labels in whole)
    assert read > folder.manifest.pairs
    assert of_a_pass < 40
    for labels, again in zip(whole[33:], batches(33, 7, Share()), strict=True):
        np.testing.assert_array_equal(labels, again)
    halves = [batches(33, 7, Share(index, 2)) for index in (0, 1)]
    for labels, *own in zip(whole[33:], *halves, strict=True):
        np.testing.assert_array_equal(np.concatenate(own)[: len(labels)], labels)


def test_each_pass_has_all_pairs_in_another_order_of_shards(prepare: Prepare) -> None:
    assert prepare("shards", "--shard-pairs", "40") == 0
    folder = ShardFolder("shards")
    passes = ShardPasses(folder, seed=3)
    orders = [[part.path.name for part in passes.parts(number)] for number in range(4)]
    assert sorted(orders[0]) == sorted(orders[1]) == [shard_name(i) for i in range(6)]
    assert len({tuple(order) for order in orders}) == 4
    assert orders == [[part.path.name for part in passes.parts(number)] for number in range(4)]
    for part in passes.parts(0):
        assert part.lengths() == part.pairs().lengths()
        assert len(part.lengths()) == part.count


def test_the_configuration_is_that_of_the_shards(prepare: Prepare) -> None:
    assert prepare("shards") == 0
    config = load_config("corpus", ["data.train.shards=shards", "data.metric=chrf"])
    assert task_of(config.data).metric.name == "chrf"
    assert isinstance(config.data, CorpusConfig)
    assert config.data.train is not None
    assert config.data.dev_pairs == 20
    assert config.data.max_source_length == 24
    assert config.text.model_type == "word"
    assert config.data.train.tsv == ()
    assert config.data.train.shards == "shards"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.dev_pairs=7", "made with another section `data` .*dev_pairs is 20 there, 7 req"),
        ("text.model_type=char", "another section `text` .*model_type is 'word' there, 'char'"),
    ],
)
def test_a_training_that_asks_for_other_data(
    prepare: Prepare, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("shards") == 0
    assert train("run", "data.train.shards=shards", override) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not Path("run/config.yaml").exists()


@pytest.mark.thorough
def test_a_start_from_a_run_takes_shards_of_its_tokenizers(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("shards") == 0
    assert train("base", *SETTINGS, "text.model_type=char") == 0
    start = "training.start_from=base"
    assert train("run", "data.train.shards=shards", start) == 2
    error = capsys.readouterr().err
    assert "the shards shards hold ids of other tokenizers than base" in error
    advice = re.findall(r"text\.\w+_model=[\w/.]+model", error)
    assert prepare("own", *advice) == 0
    assert train("run", "data.train.shards=own", start) == 0


def test_shards_that_are_damaged(prepare: Prepare) -> None:
    assert prepare("shards") == 0
    file = Path("shards") / shard_name(0)
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    (part,) = ShardFolder("shards").shards
    with pytest.raises(CorpusError, match=r"must have 151 pairs, as shards\.json says.*: 150"):
        part.lengths()
    file.write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="cannot be read"):
        part.pairs()
    with pytest.raises(ConfigError, match=r"must name existing files. There is no file 'nowhere"):
        load_config("corpus", ["data.train.shards=nowhere"])
    Path("shards/shards.json").write_text("{}")
    with pytest.raises(CorpusError, match=r"shards\.json: `settings` is missing"):
        ShardFolder("shards")


def test_only_training_pairs_can_be_shards() -> None:
    with pytest.raises(ConfigError, match=r"Only `data.train` can be shards"):
        load_config("corpus", ["data.train.tsv=a.tsv", "data.dev.shards=shards"])
    with pytest.raises(ConfigError, match=r"or `shards` must be given, and nothing else"):
        load_config("multi30k-de-en", ["data.dev.shards=x"])
