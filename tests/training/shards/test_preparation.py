"""Shards hold what a training from the same text reads; the same, however they came about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from keras_attention.text.tokenizer import SentencePieceTokenizer
from tests.hosts.toy import descendants, until
from tests.training.shards.conftest import SETTINGS, Prepare, content
from training.corpora.pairs import CorpusFiles, read_corpus
from training.corpora.splits import split_held_out
from training.prepare import main
from training.shards import preparation, survey
from training.shards.folder import ShardFolder
from training.shards.gather import GatherTask, gather


def read(folder: str) -> list[tuple[str, str]]:
    """All pairs of all shards, as text."""
    shards = ShardFolder(folder)
    tables = [pq.read_table(part.path) for part in shards.shards]
    sides = []
    for name, tokenizer in zip(("source", "target"), shards.tokenizers, strict=True):
        ids = [row for table in tables for row in table[name].to_pylist()]
        lengths = [length for table in tables for length in table[f"{name}_length"].to_pylist()]
        assert lengths == [len(row) + 1 for row in ids]
        sides.append(tokenizer.decode(ids))
    return list(zip(*sides, strict=True))


def expected() -> tuple[list[tuple[str, str]], ...]:
    """Training, dev and test pairs as `training.train` has them, without those that do not fit."""
    files = CorpusFiles(source="*.de*", target="*.en*")
    pairs = read_corpus(files, "drop").pairs
    parts = split_held_out(pairs, dev=20, test=30, seed=1)
    return tuple([pair for pair in part if len(pair[0].split()) < 24] for part in parts)


def test_one_shard_is_the_text_in_its_order(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("shards") == 0
    out = capsys.readouterr().out
    train, dev, test = expected()
    assert read("shards") == train
    folder = ShardFolder("shards")
    assert (folder.dev(), folder.held_out()) == (dev, test)
    assert f"{len(train):,} pairs in 1 shards. Train: python -m training.train" in out
    report = read_corpus(CorpusFiles(source="*.de*", target="*.en*"), "drop").report
    assert folder.manifest.lines == report.lines == 210
    assert f"210 lines read, {report.kept - 3} usable, {210 - report.kept + 3} not" in out
    assert folder.manifest.dropped == {"encoding": 3, "empty": 3, "length": 6}
    dropped = Path("shards/dropped.txt").read_text().splitlines()
    assert len(dropped) == 12
    assert dropped[:2] == ["part0.de:4 (source): empty", "part0.de:6 (source): not UTF-8"]
    assert "part1.de.gz:12 (source, 30 tokens): no token or too many" in dropped


def test_tokenizers_learn_from_training_pairs_alone(prepare: Prepare) -> None:
    assert prepare("shards") == 0
    pairs = read_corpus(CorpusFiles(source="*.de*", target="*.en*"), "drop").pairs
    train = split_held_out(pairs, dev=20, test=30, seed=1).train
    for side, tokenizer in enumerate(ShardFolder("shards").tokenizers):
        own = SentencePieceTokenizer.train([pair[side] for pair in train], 300, "word")
        assert tokenizer.model == own.model


def test_many_shards_are_samples_of_the_text(prepare: Prepare) -> None:
    assert prepare("shards", "--shard-pairs", "40", "--sample", "50") == 0
    train = expected()[0]
    known = [  # a sample has not all words
        tokenizer.decode(tokenizer.encode([pair[side] for pair in train]))
        for side, tokenizer in enumerate(ShardFolder("shards").tokenizers)
    ]
    assert sorted(read("shards")) == sorted(zip(*known, strict=True))
    sizes = [shard.pairs for shard in ShardFolder("shards").manifest.shards]
    assert len(sizes) == 6
    assert sum(sizes) == len(train)
    assert min(sizes) > 10


def test_files_do_not_depend_on_processes_or_interruptions(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small chunks, so that each part has several pieces; the third shard fails at first."""
    several = ("--shard-pairs", "40", "--sample", "60", "--drop-repeated")
    monkeypatch.setattr("training.shards.scatter.AT_ONCE", 17)
    monkeypatch.setattr(survey, "_ROOM", 3)
    assert prepare("one", *several) == 0

    def failing(task: GatherTask) -> None:
        if task.number == 2:
            raise OSError("no space left")
        gather(task)

    monkeypatch.setattr(preparation, "gather", failing)
    assert prepare("two", *several) == 2
    assert not Path("two/shards.json").exists()
    Path("two/partial-train-00002.parquet-abcdefgh").mkdir()
    monkeypatch.setattr(preparation, "gather", gather)
    capsys.readouterr()
    assert prepare("two", *several) == 0
    out = capsys.readouterr().out
    assert "Encoded" not in out
    assert "Shards: 6 of 6" in out
    assert content("one") == content("two")
    assert prepare("two", *several) == 0
    assert "two is complete: nothing to prepare." in capsys.readouterr().out


def test_training_pairs_that_are_left_out(prepare: Prepare) -> None:
    assert prepare("shards", "--drop-repeated", "--drop-equal", "--most-ratio", "6") == 0
    train = expected()[0]
    kept = [
        pair
        for pair in dict.fromkeys(train)
        if pair[0] != pair[1] and len(pair[0].split()) <= 6 * len(pair[1].split())
    ]
    assert read("shards") == kept
    dropped = ShardFolder("shards").manifest.dropped
    unequal = [pair for pair in train if pair[0] != pair[1]]
    assert dropped["equal"] == len(train) - len(unequal)
    long = [pair for pair in unequal if len(pair[0].split()) > 6 * len(pair[1].split())]
    assert dropped["ratio"] == len(long) > 0
    assert dropped["repeated"] == len(unequal) - len(long) - len(kept) > 0
    lines = Path("shards/dropped.txt").read_text().splitlines()
    assert sum(line.endswith("repeated pairs") for line in lines) == dropped["repeated"]


def test_extra_pairs_are_trained_on_alone(prepare: Prepare) -> None:
    """Neither those drawn from the text nor those of a given test set may come back with them."""
    train, dev, test = expected()
    new = [("tipi", "camp"), ("topo", "camp")]
    write = [*new[:1], dev[0], test[0], *new[1:]]
    Path("extra.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in write), encoding="utf-8")
    assert prepare("shards", "data.extra.tsv=extra.tsv", "text.source_vocabulary=310") == 0
    assert read("shards") == [*train, *new]
    folder = ShardFolder("shards")
    assert (folder.dev(), folder.held_out()) == (dev, test)
    assert folder.manifest.dropped["held_out"] == 2
    lines = Path("shards/dropped.txt").read_text().splitlines()
    assert "extra.tsv:2 (source): held-out sources in data.extra" in lines

    given = ["data.extra.tsv=extra.tsv", "data.held_out.tsv=extra.tsv"]
    assert prepare("given", *given) == 0
    assert ShardFolder("given").manifest.dropped["held_out"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data.dev_pairs=500",), "The corpus is too small to hold out 500 pairs"),
        (("data.train.source=part0.de",), "The numbers of source and target files must be equal"),
        (("--most-ratio", "0.5"), "--most-ratio must be at least 1. Received: 0.5"),
        (("data.train.source=null", "data.train.target=null", "data.train.shards=x"), "no file"),
        (("text.source_vocabulary=3",), "Key `text.source_vocabulary`"),
    ],
)
def test_what_cannot_be_prepared(
    prepare: Prepare,
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert prepare("shards", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("shards/shards.json").exists()


def test_lines_with_problems_can_be_left_out_at_the_second_try(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("shards", "data.on_problem=error") == 2
    message = "Some lines are not valid pairs. Use data.on_problem=drop to leave them out."
    assert message in capsys.readouterr().err
    assert not Path("shards/shards.json").exists()
    assert prepare("shards") == 0
    assert "Read" not in capsys.readouterr().out
    assert read("shards") == expected()[0]
    Path("file").touch()
    assert prepare("file") == 2
    assert "file is not a directory. Choose a different --out." in capsys.readouterr().err
    assert main(["--recipe", "dates", "--out", "dates"]) == 2
    assert "Received: data.task=dates, data.train.shards=None" in capsys.readouterr().err


def test_a_folder_that_holds_something_else(
    prepare: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/mine.txt").touch()
    assert prepare("full") == 2
    assert "full holds other files than shards" in capsys.readouterr().err
    assert prepare("begun", "data.dev_pairs=500") == 2  # too few: stops after the survey
    capsys.readouterr()
    assert prepare("begun") == 2
    assert "data.dev_pairs is 500 there, 20 requested" in capsys.readouterr().err
    with Path("part0.de").open("a") as file:
        file.write("ein\n")
    assert prepare("begun", "data.dev_pairs=500") == 2
    assert "The text has changed since begun was begun" in capsys.readouterr().err


@pytest.mark.thorough
def test_processes_that_are_killed(text: Path) -> None:
    """A worker, then the program itself; and again, to the same files."""
    command = [sys.executable, "-m", "training.prepare", "--recipe", "corpus", *SETTINGS]
    command += ["--shard-pairs", "40", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    quiet: dict[str, Any] = {
        "env": environment,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
    }
    subprocess.run([*command, "--out", "whole"], check=True, **quiet)
    killed = [*command, "--out", "killed"]
    with subprocess.Popen(killed, **quiet) as program:
        until(lambda: len(descendants(program.pid, sys.executable)) >= 2)
        os.kill(descendants(program.pid, sys.executable)[-1], signal.SIGKILL)
        _, errors = program.communicate()
    assert b"A process has been killed" in errors
    assert b"Run the same command to go on." in errors
    with subprocess.Popen(killed, **quiet) as program:
        until(lambda: bool(list(Path("killed/unfinished").glob("survey*"))))
        program.kill()
    subprocess.run(killed, check=True, **quiet)
    assert content("killed") == content("whole")
