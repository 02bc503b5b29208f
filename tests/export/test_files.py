from __future__ import annotations

from pathlib import Path

from export.files import checksum, size

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180-2
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    assert (size(file), checksum(file)) == (0, None)
    file.write_bytes(b"abc")
    assert (size(file), checksum(file)) == (3, ABC)


def test_a_folders_counts_content_names_and_places(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_bytes(b"abc")
    (folder / "graph").write_bytes(b"")
    lines = f"{NOTHING}  graph\n{ABC}  variables/data\n"
    (tmp_path / "lines").write_text(lines)
    first = checksum(folder)
    assert (size(folder), first) == (3, checksum(tmp_path / "lines"))

    moved = (folder / "variables" / "data").rename(folder / "data")
    assert checksum(folder) not in (first, None)
    moved.rename(folder / "variables" / "data")
    assert checksum(folder) == first
    (folder / "graph").write_bytes(b"x")
    assert checksum(folder) != first
