from __future__ import annotations

from pathlib import Path

import pytest

from keras_attention.files import copy, remains, remove, replacing, write


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of somebody else, to which links point."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "notes.txt").write_text("theirs")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def broken_off(path: Path) -> None:
    with replacing(path) as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError


@pytest.mark.parametrize("target", ["notes.txt", "missing", "."])
def test_a_link_is_replaced_and_never_followed(theirs: Path, tmp_path: Path, target: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("a.txt", "b.txt", "folder"):
        (own / name).symlink_to(theirs / target)
    write(own / "a.txt", "Zoë\n")
    copy(own / "a.txt", own / "b.txt")
    with replacing(own / "folder") as fresh:
        fresh.mkdir()
        (fresh / "notes.txt").write_text("ours")
    assert (own / "a.txt").read_bytes() == (own / "b.txt").read_bytes() == b"Zo\xc3\xab\n"
    assert (own / "folder" / "notes.txt").read_text() == "ours"
    assert not any(path.is_symlink() for path in own.iterdir())
    assert names(own) == ["a.txt", "b.txt", "folder"]
    assert names(theirs) == ["notes.txt"]
    assert (theirs / "notes.txt").read_text() == "theirs"


def test_links_to_the_folder_itself_are_followed(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(theirs)
    write(tmp_path / "out" / "new.txt", b"ours")
    assert names(theirs) == ["new.txt", "notes.txt"]
    assert (tmp_path / "out").is_symlink()


def test_what_fails_leaves_what_was_there(theirs: Path) -> None:
    for path in (theirs / "notes.txt", theirs / "new" / "a.txt", theirs):
        with pytest.raises(ZeroDivisionError):
            broken_off(path)
    assert names(theirs) == ["new", "notes.txt"]
    assert not names(theirs / "new")
    assert (theirs / "notes.txt").read_text() == "theirs"


def test_a_folder_keeps_its_place_and_gets_new_content(theirs: Path) -> None:
    (theirs / "old").mkdir()
    before = theirs.stat().st_ino
    with replacing(theirs) as fresh:
        (fresh / "deep").mkdir(parents=True)
        (fresh / "deep" / "a.txt").write_text("ours")
    assert theirs.stat().st_ino == before
    assert names(theirs) == ["deep"]
    assert (theirs / "deep" / "a.txt").read_text() == "ours"
    with pytest.raises(IsADirectoryError, match="is a folder, where a file must be written"):
        write(theirs, "text")
    assert names(theirs) == ["deep"]


def test_remains_are_those_of_the_named_files(tmp_path: Path) -> None:
    with replacing(tmp_path / "epoch-0001.keras") as fresh:
        fresh.touch()
        left = fresh.parent
        for name in ("partial-state.json", "partial-notes.txt", "state.json", "epoch-0001.keras"):
            (tmp_path / name).touch()
        found = remains(tmp_path, ["state.json", "epoch-*.keras"])
        assert set(found) == {left, tmp_path / "partial-state.json"}
    assert not remains(tmp_path / "missing", ["state.json"])


def test_remove_deletes_links_and_not_what_they_point_to(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(theirs)
    remove(tmp_path / "link")
    remove(tmp_path / "missing")
    assert names(tmp_path) == ["theirs"]
    assert names(theirs) == ["notes.txt"]
    remove(theirs)
    assert not names(tmp_path)
