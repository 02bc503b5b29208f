"""The record of the campaigns: they go on where they were cut, and lose no failure."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.campaigns import hostile
from benchmarks.campaigns.journal import Journal, Trial
from benchmarks.campaigns.kills import _HOOK

KILLING = """
import os, pathlib, signal, sys
from benchmarks.campaigns.journal import Journal, Trial

killer = Trial("k", lambda: os.kill(os.getpid(), signal.SIGKILL))
Journal(pathlib.Path(sys.argv[1])).go_on([killer])
"""
RENAMING = """
import os

with open("partial", "w") as file:
    file.write("abcd")
os.rename("partial", "name")
"""


def failing() -> list[str]:
    raise ValueError("no such thing")


def test_a_journal_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    tried: list[str] = []

    def once(name: str, *problems: str) -> Trial:
        def run() -> Iterator[str]:
            tried.append(name)
            yield from problems

        return Trial(name, run, count=10)

    path = tmp_path / "part.jsonl"

    def cut() -> Iterator[Trial]:
        yield once("a")
        yield once("b", "is wrong")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Journal(path).go_on(cut())
    with path.open("a") as file:
        file.write('{"trial": "half')
    assert not Journal(path).is_complete
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    again = Journal(path)
    again.go_on([once("a"), once("b"), once("c"), Trial("d", failing)])
    assert tried == ["a", "b", "c"]
    assert again.is_complete
    assert again.tried == 31
    (first, second) = Journal(path).failed
    assert first == ("b", "is wrong")
    assert second[0] == "d"
    assert "ValueError: no such thing" in second[1]


def test_a_trial_that_kills_its_process_has_failed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "part.jsonl")
    done = subprocess.run([sys.executable, "-c", KILLING, journal.path], check=False)
    assert journal.note_end(done.returncode)
    assert journal.failed == [("k", "the process was killed by signal 9")]
    journal.go_on([Trial("k", failing)])
    assert journal.is_complete
    assert len(journal.failed) == 1


def test_the_hook_kills_before_each_change(tmp_path: Path) -> None:
    expected = [["partial"], ["partial"], ["partial"], ["name"]]
    sizes = [0, 4, 2, 4]
    for at, (names, size) in enumerate(zip(expected, sizes, strict=True), start=1):
        folder = tmp_path / str(at)
        folder.mkdir()
        hook = {"PYTHONPATH": str(_HOOK), "KILL_IN": str(folder), "KILL_AT": str(at)}
        command = [sys.executable, "-c", RENAMING]
        done = subprocess.run(command, cwd=folder, env={**os.environ, **hook}, check=False)
        assert done.returncode == (0 if at == 4 else -signal.SIGKILL)
        found = sorted(file.name for file in folder.iterdir())
        assert found == (names if at > 1 else [])
        assert [file.stat().st_size for file in folder.iterdir()] == ([size] if at > 1 else [])


@pytest.mark.parametrize("name", ["config.yaml", "state.json", "weights.bin"])
def test_damage_is_drawn_by_the_seed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = json.dumps({"a": [1, 2, {"b": "c"}]})
    made = []
    for seed in [*range(12), *range(12)]:
        path.write_text(content, "utf-8")
        way = hostile.damage(path, random.Random(seed), tmp_path / "canary")
        if path.is_dir():
            path.rmdir()
            made.append((way, b""))
            continue
        made.append((way, path.read_bytes()))
    assert made[:12] == made[12:]
    assert len({way for way, _ in made}) > 4
    assert any(damaged != content.encode() for _, damaged in made)
