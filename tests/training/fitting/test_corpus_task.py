"""Pairs from files through the real programs, at toy size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_attention import SentencePieceTokenizer, Seq2Seq, Seq2SeqConfig, Translator
from keras_attention.text.runs import RunDirectory
from tests.arrays import randomize, to_numpy
from tests.training.conftest import SMALL_CORPUS
from training import evaluate, train
from training.corpora.pairs import CorpusFiles
from training.evaluation.metrics import bleu
from training.fitting.callbacks import Validate
from training.fitting.state import save_whole
from training.fitting.tasks import Texts, task_of
from training.recipes.config import CorpusConfig


def write_pairs(path: Path, count: int) -> Path:
    words = ["red", "green", "blue", "small", "large", "old", "new"]
    nouns = {"house": "casa", "cat": "gato", "tree": "árbol", "dog": "perro", "sea": "mar"}
    rows = [
        (f"{a} {b} {noun} {i}", f"{spanish} {b} {a} {i}")
        for i in range(count)
        for a, b, (noun, spanish) in [
            (words[i % 7], words[i // 7 % 7], list(nouns.items())[i // 49 % 5])
        ]
    ]
    path.write_text("".join(f"{s}\t{t}\n" for s, t in rows), encoding="utf-8")
    return path


def corpus(path: Path, **changes: object) -> CorpusConfig:
    return CorpusConfig(
        train=CorpusFiles(tsv=[str(path)]), **{"dev_pairs": 7, "held_out_pairs": 11, **changes}
    )


def test_each_pass_has_all_pairs_but_those_held_out(tmp_path: Path) -> None:
    task = task_of(corpus(write_pairs(tmp_path / "p.tsv", 101)))
    assert isinstance(task, Texts)
    assert len(set(task.training_pairs(0))) == 83
    assert task.training_pairs(1) is task.training_pairs(0)
    others = {*task.validation_pairs(), *task.held_out_pairs()}
    assert len(others) == 18
    assert not others & set(task.training_pairs(0))
    task.keep_training_pairs(lambda pairs: list(pairs)[:53])
    assert len(task.training_pairs(2)) == 53


def test_given_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    files = [CorpusFiles(tsv=[str(write_pairs(tmp_path / f"{n}.tsv", n))]) for n in (53, 13, 17)]
    task = task_of(CorpusConfig(train=files[0], dev=files[1], held_out=files[2]))
    assert isinstance(task, Texts)
    assert len(task.training_pairs(0)) == 53
    assert len(task.validation_pairs()) == 13
    assert len(task.held_out_pairs()) == 17


def test_extra_pairs_are_trained_on_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, extra = write_pairs(tmp_path / "p.tsv", 101), tmp_path / "extra.tsv"
    alone = task_of(corpus(path))
    dev, test = alone.validation_pairs(), alone.held_out_pairs()
    new = [(f"new {i}", f"nuevo {i}") for i in range(5)]
    rows = [*new, (dev[0][0].upper(), "otro"), (test[0][0], "otro")]
    extra.write_text("".join(f"{s}\t{t}\n" for s, t in rows), encoding="utf-8")
    task = task_of(corpus(path, extra=CorpusFiles(tsv=[str(extra)])))
    assert isinstance(task, Texts)
    assert isinstance(alone, Texts)
    assert list(task.training_pairs(0)) == [*alone.training_pairs(0), *new]
    assert (task.validation_pairs(), task.held_out_pairs()) == (dev, test)
    assert (
        "2 of the 7 pairs in data.extra are left out, because their sources are held out."
        in capsys.readouterr().out
    )


def test_bleu_is_sacrebleus() -> None:
    outputs = ["the cat sat on the mat", "a dog barks at the moon"]
    score = bleu(outputs, ["the cat sat on the mat", "a dog barked at the moon"])
    assert score.score == pytest.approx(69.19, abs=0.01)
    assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert bleu(["THE CAT sat down"], ["the cat sat down"], lowercase=True).score == pytest.approx(
        100
    )
    several = bleu(outputs, ["no", "no"], ["the cat sat on the mat", "a dog barks at the moon"])
    assert several.score == pytest.approx(100)


def test_own_pairs_from_a_file_to_a_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, run = write_pairs(tmp_path / "pairs.tsv", 400), tmp_path / "run"
    command = ["--recipe", "corpus", "--out", str(run), f"data.train.tsv=[{pairs}]", *SMALL_CORPUS]
    assert train.main(command) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [set(line) >= {"loss", "val_bleu"} for line in lines] == [True, True]
    assert lines[1]["loss"] < lines[0]["loss"]
    assert len(RunDirectory(run).held_out()) == 30
    capsys.readouterr()

    assert train.main(command) == 0
    assert "nothing to train" in capsys.readouterr().out
    assert train.main([*command, "training.batch_size=8"]) == 2
    assert "training.batch_size is 16 in the run, 8 requested" in capsys.readouterr().err

    assert evaluate.main([str(run), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sources"] == 30
    assert "tok:13a" in report["bleu"][1]


@pytest.mark.thorough
def test_a_model_of_lower_case_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, run = write_pairs(tmp_path / "pairs.tsv", 400), tmp_path / "run"
    pairs.write_text(pairs.read_text(encoding="utf-8").title(), encoding="utf-8")
    options = ["text.normalization=nmt_nfkc_cf", "training.steps=10", f"data.train.tsv=[{pairs}]"]
    assert train.main(["--recipe", "corpus", *SMALL_CORPUS, *options, "--out", str(run)]) == 0
    assert "lower case" not in capsys.readouterr().err
    assert evaluate.main([str(run), "--json", "--min-length", "8"]) == 0
    assert "the model writes lower case" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "Key `data.train` must name files"),
        (["data.train.tsv=[nowhere.tsv]"], "nowhere.tsv"),
        (["data.train.tsv=[{pairs}]", "data.max_source_length=3"], "pairs do not have"),
        (["data.train.tsv=[{pairs}]", "data.trian.tsv=[x]"], "Unknown key `data.trian`"),
        (["data.train.tsv=[{pairs}]", "data.on_problem=ignore"], "`data.on_problem`"),
        (["data.train.tsv=[{pairs}]", "data.dev_pairs=5000"], "Received"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_a_line(
    overrides: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = write_pairs(tmp_path / "pairs.tsv", 60)
    given = [override.replace("{pairs}", str(pairs)) for override in overrides]
    command = ["--recipe", "corpus", "--out", str(tmp_path / "run"), *SMALL_CORPUS, *given]
    assert train.main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_a_lower_cased_model_is_validated_on_lower_cased_targets(tmp_path: Path) -> None:
    class Parrot:
        def __init__(self, tokenizer: SentencePieceTokenizer) -> None:
            self.target_tokenizer = tokenizer

        def __call__(self, sources: Sequence[str]) -> list[SimpleNamespace]:
            return [SimpleNamespace(text=source.lower()) for source in sources]

    text = ["The cat sat on the mat", "A Mat sat"]
    scores = []
    for rule in ("nmt_nfkc", "nmt_nfkc_cf"):
        parrot = Parrot(SentencePieceTokenizer.train(text * 9, 300, "bpe", rule))
        task = task_of(corpus(write_pairs(tmp_path / f"{rule}.tsv", 101)))
        validate = Validate(parrot, task.metric, [(line, line) for line in text], [])
        optimizer = SimpleNamespace(use_ema=False)
        model = SimpleNamespace(optimizer=optimizer, compiled_function=lambda *_: None)
        validate.set_model(model)
        logs: dict[str, float] = {}
        validate.on_epoch_end(0, logs)
        scores.append(logs["val_bleu"])
    assert scores[0] < 70
    assert scores[1] == pytest.approx(100)


def test_a_source_with_several_targets_has_several_references(tmp_path: Path) -> None:
    task = task_of(corpus(write_pairs(tmp_path / "p.tsv", 101)))
    outputs = ["the cat sat on the mat", "a dog barks at the moon"]
    known = [["no such words here", "the cat sat on the mat"], ["a dog barks at the moon"]]
    assert task.metric(outputs, known) == pytest.approx(100)
    assert task.metric(outputs, [known[0][:1], known[1]]) < 60


def test_the_validation_loss_is_that_of_a_token(tmp_path: Path) -> None:
    """Batches of unequal size: one of 5 short rows, one of a long one."""
    words = {"source_vocabulary": 7, "target_vocabulary": 7}
    sizes = {"embedding_size": 3, "encoder_units": 3, "decoder_units": 3, "attention_units": 3}
    model = Seq2Seq(Seq2SeqConfig(**words, **sizes))
    randomize(model, seed=5, scale=2.0)
    model.compile("adam")
    batches, losses = [], []
    for rows, length, real in ((5, 2, 1), (1, 9, 9)):
        pick = np.random.default_rng(rows)
        source, target, labels = (pick.integers(4, 7, (rows, length)) for _ in range(3))
        labels[:, real:] = 0
        batches.append(({"source": source, "target": target}, labels))
        logits = to_numpy(model(batches[-1][0])).astype("float64")
        log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        chosen = np.take_along_axis(log_probs, labels[:, :, None], axis=2)[:, :real]
        losses += (-chosen).ravel().tolist()
    task = task_of(corpus(write_pairs(tmp_path / "p.tsv", 101)))
    tokenizer = SentencePieceTokenizer.train(["abc"], 16, "char")
    translator = Translator(model, tokenizer, tokenizer, 5, 5)
    validate = Validate(translator, task.metric, [("", "")], batches)
    validate.set_model(model)
    logs: dict[str, float] = {}
    validate.on_epoch_end(0, logs)
    assert len(losses) == 5 + 9
    assert logs["val_loss"] == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.thorough
def test_pairs_that_do_not_fit_are_dropped_only_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_pairs(tmp_path / "pairs.tsv", 120)
    with path.open("a", encoding="utf-8") as file:
        file.write("x" * 900 + "\ty\n\tz\n" + "x" * 900 + "\ty\n")
    command = ["--recipe", "corpus", "--out", str(tmp_path / "run"), f"data.train.tsv=[{path}]"]
    steps = ["training.steps=1", "training.steps_per_epoch=1", "data.on_problem=drop"]
    assert train.main([*command, *SMALL_CORPUS, *steps]) == 0
    out = capsys.readouterr().out
    assert "Dropped: 2 of " in out
    names = tmp_path / "run" / "dropped.txt"
    assert f"All dropped lines are listed in {names}." in out
    assert names.read_text(encoding="utf-8").splitlines() == [
        f"{path}:122 (source): empty",
        f"{path}:121 (source, 901 tokens: '{'x' * 40}…')",
        f"{path}:123 (source, 901 tokens: '{'x' * 40}…')",
    ]


class Killed(BaseException):
    """Stops as suddenly as a signal."""


def test_what_is_dropped_is_named_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bad pair in two files, and twice in one of them; named before the first step."""
    bad = "x" * 900 + "\ty\n"
    train_tsv, dev_tsv = tmp_path / "train.tsv", tmp_path / "dev.tsv"
    for path, count in ((train_tsv, 200), (dev_tsv, 20)):
        write_pairs(path, count).write_text(bad + path.read_text(encoding="utf-8"), "utf-8")
    with train_tsv.open("a", encoding="utf-8") as file:
        file.write(bad)
    command = ["--recipe", "corpus", "--out", str(tmp_path / "run"), *SMALL_CORPUS]
    command += [f"data.train.tsv={train_tsv}", f"data.dev.tsv={dev_tsv}", "data.on_problem=drop"]

    def fit(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(Seq2Seq, "fit", fit)
    with pytest.raises(Killed):
        train.main(command)
    named = (tmp_path / "run" / "dropped.txt").read_text(encoding="utf-8").splitlines()
    places = [line.split(" (")[0] for line in named]
    assert places == [f"{train_tsv}:1", f"{train_tsv}:202", f"{dev_tsv}:1"]


@pytest.mark.thorough
def test_all_that_draws_random_numbers_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every dropout, AdamW, averaged weights and token batches; not with changed data."""
    data = write_pairs(tmp_path / "pairs.tsv", 300)
    parts = ("embedding", "word", "recurrent", "attention", "memory")
    options = [*SMALL_CORPUS, f"data.train.tsv={data}", "model.encoder_layers=2"]
    options += ["model.dropout=0.2", *(f"model.{part}_dropout=0.2" for part in parts)]
    options += ["training.batch_size=null", "training.batch_tokens=128"]
    options += ["training.weight_decay=0.01", "training.average_decay=0.9"]
    options += ["training.steps=9", "training.steps_per_epoch=3"]

    def trained(out: Path) -> int:
        return train.main(["--recipe", "corpus", "--out", str(out), *options])

    def killed(model: keras.Model, path: Path) -> None:
        if path.name == "epoch-0002.keras":
            raise Killed
        save_whole(model, path)

    whole, resumed = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "resumed")
    assert trained(whole.path) == 0
    with monkeypatch.context() as patch:
        patch.setattr("training.fitting.checkpoints.save_whole", killed)
        with pytest.raises(Killed):
            trained(resumed.path)

    text = data.read_text(encoding="utf-8")
    data.write_text(text.replace("casa", "Casa", 1), encoding="utf-8")
    capsys.readouterr()
    assert trained(resumed.path) == 2
    assert "The data have changed since" in capsys.readouterr().err
    data.write_text(text, encoding="utf-8")
    assert trained(resumed.path) == 0

    ours, theirs = (
        [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
        for run in (resumed, whole)
    )
    assert len(ours) == 3
    for one, other in zip(ours, theirs, strict=True):
        for name in ("loss", "accuracy", "val_loss"):
            assert one[name] == pytest.approx(other[name], rel=0, abs=1e-6), name
    for a, b in zip(resumed.model().get_weights(), whole.model().get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.thorough
def test_the_recipe_for_gpus_at_toy_size(tmp_path: Path) -> None:
    """A shared vocabulary, fully tied embeddings, XLA and half precision."""
    data = write_pairs(tmp_path / "pairs.tsv", 120)
    run = RunDirectory(tmp_path / "run")
    sizes = [option for option in SMALL_CORPUS if option.split(".")[0] != "training"]
    steps = ["training.steps=2", "training.steps_per_epoch=2", "training.pad_to_multiple=32"]
    steps += ["training.jit_compile=true", "training.dtype=mixed_bfloat16"]
    steps += ["training.batch_tokens=512", "model.encoder_layers=1", "model.decoder_layers=1"]
    options = [*sizes, *steps, f"data.train.tsv={data}", "--out", str(run.path)]
    assert train.main(["--recipe", "corpus-gpu", *options]) == 0
    assert run.unfinished() is None
    assert run.source_model.read_bytes() == run.target_model.read_bytes()
    model = run.model()
    assert len([w for w in model.weights if w.shape[0] == model.config.target_vocabulary]) == 1
    (translation,) = Translator.from_run(run.path)(["red green house 3"])
    assert np.isfinite(translation.score)


def test_a_file_named_twice_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_pairs(tmp_path / "pairs.tsv", 120)
    command = ["--recipe", "corpus", "--out", str(tmp_path / "run")]
    assert train.main([*command, f"data.train.tsv=[{path}, {tmp_path}/*.tsv]"]) == 2
    assert f"A file must be named only once. Received: {path} twice" in capsys.readouterr().err


@pytest.mark.thorough
def test_real_lines(corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tsv = tmp_path / "real.tsv"
    with (corpora / "tatoeba" / "train.tsv").open(encoding="utf-8") as file:
        tsv.write_text("".join(islice(file, 2000)), encoding="utf-8")
    command = ["--recipe", "corpus", "--out", str(tmp_path / "run"), f"data.train.tsv=[{tsv}]"]
    sides = ("source", "target")
    sizes = [f"text.{side}_vocabulary=500" for side in sides]
    sizes += [f"data.max_{side}_length=100" for side in sides]
    assert train.main([*command, *SMALL_CORPUS, *sizes]) == 0
    assert evaluate.main([str(tmp_path / "run")]) == 0
    assert "chrF" in capsys.readouterr().out
