"""Files of every layout give the same corpus, and the real entry point trains on it."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pytest

from keras_attention import SentencePieceTokenizer
from keras_attention.text.runs import RunDirectory
from tests.training.conftest import SMALL_CORPUS
from training import train
from training.corpora.files import DATA_VARIABLE
from training.corpora.pairs import read_corpus
from training.recipes.config import CorpusConfig
from training.recipes.reading import load_config

COUNT = 300
SMALL = (
    *SMALL_CORPUS,
    "text.source_vocabulary=800",
    "text.target_vocabulary=800",
    "training.steps=2",
    "training.steps_per_epoch=2",
    "training.warmup_steps=1",
    "data.dev_pairs=7",
    "data.held_out_pairs=11",
    "data.max_source_length=90",
    "data.max_target_length=90",
    "search.beam_width=1",
)
# Values as they are typed after `data.train.`, by the name of the layout.
LAYOUTS = {
    "aligned": ["source=[set/all.de]", "target=[set/all.en]"],
    "parts": ["source=['set/*.de.gz']", "target=['set/part-*.en']"],
    "tsv": ["tsv=[set/swapped.tsv.gz]", "swap=true"],
    "columns": ["tsv=['**/columns-?.txt']", "columns=[3, 1]"],
}


@pytest.fixture(scope="module")
def pairs(corpora: Path) -> list[tuple[str, str]]:
    """The first lines of Multi30k."""
    sides = []
    for name in ("de", "en"):
        file = corpora / "multi30k" / f"train.{name}"
        if not file.is_file():
            pytest.skip(f"no {file}")
        with file.open(encoding="utf-8") as lines:
            sides.append([line.rstrip("\n") for line in islice(lines, COUNT)])
    return list(zip(*sides, strict=True))


@pytest.fixture(scope="module")
def folder(pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the pairs in every layout."""
    data = tmp_path_factory.mktemp("data")
    out = data / "set"
    out.mkdir()
    german, english = ([pair[side].encode() for pair in pairs] for side in (0, 1))
    (out / "all.de").write_bytes(b"\n".join(german))
    (out / "all.en").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(english) + b"\r\n")
    swapped = [b"\t".join(row) for row in zip(english, german, strict=True)]
    (out / "swapped.tsv.gz").write_bytes(gzip.compress(b"\n".join(swapped)))
    among = [b"\t".join((b"", e, b"x", g)) for g, e in zip(german, english, strict=True)]
    for part, start in enumerate(range(0, COUNT, 128)):
        chosen = slice(start, start + 128)
        packed = gzip.compress(b"\n".join(german[chosen]) + b"\n")
        (out / f"part-{part}.de.gz").write_bytes(packed)
        (out / f"part-{part}.en").write_bytes(b"\n".join(english[chosen]))
        (out / f"columns-{part}.txt").write_bytes(b"\n".join(among[chosen]))
    return data


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_corpus(
    pairs: list[tuple[str, str]], folder: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(folder))
    config = load_config("corpus", [f"data.train.{value}" for value in LAYOUTS[layout]])
    assert isinstance(config.data, CorpusConfig)
    assert config.data.train is not None
    assert read_corpus(config.data.train).pairs == pairs


@pytest.mark.thorough
def test_a_training_from_every_layout_at_once(
    pairs: list[tuple[str, str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on packed parts, validated on a packed TSV, tested on columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")  # restore what `--data` sets
    use = {"train": "parts", "dev": "tsv", "held_out": "columns"}
    files = [f"data.{part}.{value}" for part, name in use.items() for value in LAYOUTS[name]]
    command = ["--recipe", "corpus", "--data", str(folder), "--out", "run", *files, *SMALL]
    assert train.main(command) == 0
    run = RunDirectory("run").require_complete()
    assert run.held_out() == pairs
    assert run.config()["data"]["train"]["source"] == ("set/*.de.gz",)  # no path of this machine
    source = SentencePieceTokenizer.train([pair[0] for pair in pairs], 800)
    assert run.source_model.read_bytes() == source.model
    assert str(folder) not in run.config_file.read_text(encoding="utf-8")
