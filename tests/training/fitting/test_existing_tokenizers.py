"""A training with existing SentencePiece models, through the real program, at toy size."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_attention import SentencePieceTokenizer, Translator
from keras_attention.text.runs import RunDirectory
from tests.existing_models import existing_model
from tests.training.conftest import SMALL_CORPUS
from tests.training.fitting.test_corpus_task import write_pairs
from training import train
from training.corpora.files import DATA_VARIABLE
from training.fitting.tasks import task_of
from training.program import ConfigError
from training.recipes.config import PairsConfig, TextConfig


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory, and no data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")


def write(name: str, data: bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(data)
    return name


@pytest.mark.thorough
def test_a_run_holds_the_converted_model(capsys: pytest.CaptureFixture[str]) -> None:
    """One side existing, from the data folder, the other learned; the run needs it no more."""
    data = write_pairs(Path("pairs.tsv"), 120)
    model = existing_model("t5")
    file = write("there/t5.model", model)
    steps = ("training.steps=2", "training.steps_per_epoch=1", "training.warmup_steps=1")
    command = ["--recipe", "corpus", "--out", "run", "--data", "there", *SMALL_CORPUS, *steps]
    command += [f"data.train.tsv={data}", "text.source_model=t5.model"]
    assert train.main(command) == 0, capsys.readouterr().err
    run = RunDirectory("run")
    source, target = run.tokenizers()
    assert source.model == SentencePieceTokenizer.from_sentencepiece(model).model
    assert run.config()["text"]["source_model"] == "t5.model"
    assert run.config()["model"]["source_vocabulary"] == source.vocabulary_size
    assert target.vocabulary_size == 300  # learned as the recipe says
    Path(file).unlink()
    assert Translator.from_run("run")(["red green house"])[0].source_tokens[-1] == "⏎"
    assert train.main(command) == 0  # complete


def test_sides_with_existing_models() -> None:
    task = task_of(PairsConfig(pairs=[("a cat", "the cat")]))
    bpe, word = write("bpe.model", existing_model("bpe")), write("w.model", existing_model("word"))
    one, other = task.tokenizers(TextConfig(source_model=bpe, target_model=word))
    assert one.surfaces(["the cat"]) == [["▁", "th", "e", "▁", "cat"]]
    assert other.surfaces(["the cat"]) == [["▁the", "▁cat"]]
    both = task.tokenizers(TextConfig(target_model=bpe, shared=True))
    assert both[0] is both[1]
    assert both[0].model == one.model


def test_each_side_learns_its_own_type() -> None:
    """Phones are tokens as they stand, however many letters they have."""
    task = task_of(PairsConfig(pairs=[("cats", "K AE T S"), ("act", "AE K T")]))
    text = TextConfig("char", "word", source_vocabulary=9, target_vocabulary=8)
    source, target = task.tokenizers(text)
    assert source.surfaces(["acts"]) == [["a", "c", "t", "s"]]
    assert target.surfaces(["AE K T S"]) == [["▁AE", "▁K", "▁T", "▁S"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.model", r"`text.target_model` must name existing files. There is no file 'absent"),
        ("?.model", r"Key `text.target_model`: must name one file. Received: a.model, b.model"),
        ("c.json", r"Key `text.target_model`: .* serialized SentencePiece model.* \(c.json\)$"),
    ],
)
def test_a_model_that_cannot_be_used_is_an_error(name: str, message: str) -> None:
    for file in ("a.model", "b.model", "c.json"):
        write(file, b'{"model": {}}')
    task = task_of(PairsConfig(pairs=[("a cat", "the cat")]))
    with pytest.raises(ConfigError, match=message):
        task.tokenizers(TextConfig(model_type="char", target_model=name))
