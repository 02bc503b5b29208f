"""A folder of files in processes: interrupted or not, the same bytes; nothing is mixed."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from export.bulk.folder import NOTE
from keras_attention import Translator
from tests.export.bulk.conftest import Bulk, greedy, joined
from tests.hosts.toy import descendants, until
from tests.variants import variants

ROOT = Path(__file__).parents[3]
TOO_LONG = "has 14 tokens including the end token, but the model takes 13"


@pytest.fixture
def source(lines: list[str], tmp_path: Path) -> Path:
    """Three files, of which one is compressed and one has no lines; and what is no shard."""
    folder = tmp_path / "in"
    (folder / "inner").mkdir(parents=True)
    (folder / ".hidden").write_bytes(b"\xff")
    (folder / "a.txt").write_text(joined(lines[:20]))
    (folder / "b.txt.gz").write_bytes(gzip.compress(joined(lines[20:]).encode()))
    (folder / "c").touch()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.iterdir() if file.is_file() and file.name != NOTE]
    return {file.name: file.read_bytes() for file in files}


def test_files_in_two_processes(
    bulk: Bulk, translator: Translator, lines: list[str], source: Path, tmp_path: Path
) -> None:
    """The bytes do not depend on the number of processes and threads."""
    one, two = tmp_path / "one", tmp_path / "two"
    options = ("--search", "greedy", "--batch-tokens", "40")
    aligned = tmp_path / "aligned"
    status, out, err = bulk(b"", source, two, "--workers", "2", *options, "--alignments", aligned)
    assert (status, out) == (0, "")
    unknown = "1 of 20 lines have tokens that are unknown to the model"
    assert f"warning: {source}/a.txt: {unknown}, 1 of 20 lines were cut off at the" in err
    assert err.count("\n") == 2  # one for each file that has something to say
    assert bulk(b"", source, one, "--threads", "3", *options)[0] == 0
    found = content(one)
    assert content(two) == found
    assert sorted(found) == ["a.txt", "b.txt.gz", "c"] == sorted(content(aligned))
    assert found["a.txt"].decode() == joined(greedy(translator, lines[:20]))
    assert gzip.decompress(found["b.txt.gz"]).decode() == joined(greedy(translator, lines[20:]))
    assert found["c"] == b""
    assert (aligned / "a.txt").read_text().count("\n") == 20


def test_what_is_finished_is_skipped(bulk: Bulk, source: Path, tmp_path: Path) -> None:
    out, aligned = tmp_path / "out", tmp_path / "aligned"
    assert bulk(b"", source, out)[0] == 0
    expected = content(out)
    (out / "a.txt").unlink()
    (out / "c").write_bytes(b"not touched\n")
    (out / "partial-a.txt-abcd1234").mkdir()  # of a killed process
    status, _, err = bulk(b"", source, out)
    assert status == 0
    assert err.startswith("2 of 3 files are finished: skipped.\n")
    assert content(out) == {**expected, "c": b"not touched\n"}
    assert bulk(b"", source, out, "--alignments", aligned)[0] == 0  # asks for more
    assert content(out) == expected
    assert sorted(content(aligned)) == sorted(expected)


Kill = Callable[["subprocess.Popen[bytes]"], None]


def kill_worker(program: subprocess.Popen[bytes]) -> None:
    os.kill(descendants(program.pid, sys.executable)[-1], signal.SIGKILL)


@variants("kill", [kill_worker, subprocess.Popen.kill])
def test_after_a_kill_the_same_command_leaves_the_same_bytes(
    exported: Path, bulk: Bulk, lines: list[str], tmp_path: Path, kill: Kill
) -> None:
    source, out, expected = (tmp_path / name for name in ("in", "out", "expected"))
    source.mkdir()
    for number in range(30):
        (source / f"{number:02}").write_text(joined(lines[number:] * 5))
    command = [sys.executable, "-m", "export.translate", exported, source, out, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as program:
        until(lambda: (out / "00").exists())
        kill(program)
        err = program.communicate()[1].decode()
    assert len(content(out)) < 30
    if kill is kill_worker:
        assert program.returncode == 2
        assert "error: A process has been killed" in err
        assert err.endswith("Run the same command again: what is finished is kept.\n")
    status, _, err = bulk(b"", source, out)
    assert status == 0
    assert "of 30 files are finished: skipped." in err
    assert bulk(b"", source, expected)[0] == 0
    assert content(out) == content(expected)
    assert not list(out.glob("partial-*"))


def test_a_problem_in_any_file_comes_before_the_first_translation(
    bulk: Bulk, source: Path, tmp_path: Path
) -> None:
    out, bad = tmp_path / "out", source / "d"
    bad.write_bytes(b"abc\n" + b"a" * 13 + b"\nd\xe4\n")
    for workers in ("1", "2"):
        status, _, err = bulk(b"", source, out, "--workers", workers)
        assert status == 2
        assert err.startswith(f"error: {bad}, line 2 {TOO_LONG} (use --on-problem empty")
        assert not out.exists()
    status, _, err = bulk(b"", source, out, "--on-problem", "empty")
    assert status == 3
    assert f"warning: {bad}, line 2: left empty: it {TOO_LONG}\n" in err
    assert (out / "d").read_bytes().split(b"\n")[1:] == [b"", b"", b""]


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (("--search", "greedy"), "function beam"),
        (("--batch-tokens", "9"), "batch_tokens 512"),
        (("--scores",), "scores False"),
        (("--n-best", "2"), "n_best None"),
    ],
)
def test_nothing_is_mixed(
    bulk: Bulk, source: Path, tmp_path: Path, options: tuple[str, ...], difference: str
) -> None:
    out = tmp_path / "out"
    assert bulk(b"", source, out)[0] == 0
    status, _, err = bulk(b"", source, out, *options)
    assert status == 2
    assert f"{out} was made with {difference}. Choose another OUT. Received: " in err


def test_another_model_is_not_mixed(bulk: Bulk, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bulk(b"", source, out)[0] == 0
    note = json.loads((out / NOTE).read_text())
    (name,) = (name for name in note if name.endswith("beam.onnx"))
    (out / NOTE).write_text(json.dumps({**note, name: "0123"}))
    status, _, err = bulk(b"", source, out)
    assert status == 2
    assert f"was made with sha256 of beam.onnx 0123. Choose another OUT. Received: {name} " in err


def test_a_file_that_was_changed_since(bulk: Bulk, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bulk(b"", source, out)[0] == 0
    os.utime(source / "c", (2e9, 2e9))
    status, _, err = bulk(b"", source, out)
    assert status == 2
    assert f"{source}/c is newer than {out}/c, which was made of it. Delete that to have it" in err


def test_places_that_cannot_be(bulk: Bulk, source: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "of-somebody").touch()
    for place, out, message in (
        (source, source, "IN must not be OUT, or inside it"),
        (source, source / "out", "OUT must not be IN, or inside it"),
        (source, tmp_path, "IN must not be OUT, or inside it"),
        (source, tmp_path / "used", "OUT must be a new folder, an empty one, or one of the same"),
        (source / "c", tmp_path / "out", "IN must be a folder of files. Received"),
        (source / "inner", tmp_path / "out", "which has none"),
    ):
        status, _, err = bulk(b"", place, out)
        assert status == 2
        assert message in err
    status, _, err = bulk(b"", source, tmp_path / "out", "--alignments", tmp_path / "out")
    assert (status, "OUT must not be --alignments, or inside it" in err) == (2, True)


def test_a_damaged_compressed_file(bulk: Bulk, source: Path, tmp_path: Path) -> None:
    whole = (source / "b.txt.gz").read_bytes()
    for damaged in (whole[:-9], b"abc\n"):
        (source / "b.txt.gz").write_bytes(damaged)
        status, _, err = bulk(b"", source, tmp_path / "out")
        assert status == 2
        assert f"{source}/b.txt.gz is no whole gzip file" in err
