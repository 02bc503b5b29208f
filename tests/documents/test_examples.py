"""Each example runs at toy size, and its data are as described."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from examples import (
    correct_names,
    speak,
    spell_numbers,
    transliterate,
    two_copies,
    which_language,
)
from tests.documents import ROOT
from tests.variants import variants

TOY = {
    "correct_names": ["--names", "20", "--copies", "2", "--units", "8"],
    "speak": ["--words", "8", "--units", "8"],
    "spell_numbers": ["--numbers", "64", "--units", "8"],
    "transliterate": ["--words", "8", "--units", "8"],
    "two_copies": ["--texts", "64", "--units", "8"],
    "which_language": ["--lists", "8", "--asked", "30", "--units", "8"],
}


def test_every_example_is_here_and_described() -> None:
    files = {path.stem for path in (ROOT / "examples").glob("[a-z]*.py")}
    described = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert files == set(TOY)
    for name in files:
        assert f"[{name}.py](../examples/{name}.py)" in described
        assert f"\npython -m examples.{name} --picture " in described


@pytest.mark.usefixtures("eager")
@variants("name", sorted(TOY))
def test_an_example(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    example = importlib.import_module(f"examples.{name}")
    example.main([*TOY[name], "--epochs", "1", "--picture", str(picture)])
    assert " % of " in capsys.readouterr().out
    pixels = image.imread(picture)
    assert min(pixels.shape[:2]) > 100
    assert pixels[..., :3].std() > 0.01


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("[a-z]*.py")), ids=lambda p: p.stem
)
def test_an_example_can_be_taken_away(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert not [name for name in ("training", "export", "examples") if f"\nfrom {name}" in code]
    assert not [name for name in ("training", "export", "examples") if f"\nimport {name}" in code]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (4_213, "four thousand two hundred thirteen"),
        (1_000_000, "one million"),
        (20_000_305, "twenty million three hundred five"),
        (999_001, "nine hundred ninety nine thousand one"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert " ".join(spell_numbers.spell(number)) == words


def test_written_numbers() -> None:
    made = dict(spell_numbers.pairs(2000, seed=1))
    assert len(made) == 2000
    assert made["$1"] == ["one", "dollar"]
    assert made["5%"] == ["five", "percent"]
    decimal, words = next(pair for pair in made.items() if pair[0].endswith(".4"))
    assert words == [*spell_numbers.spell(int(decimal[:-2].replace(",", ""))), "point", "four"]
    others = spell_numbers.pairs(50, seed=1, without=list(made.items()))
    assert not made.keys() & dict(others).keys()
    assert max(len(words) for words in made.values()) <= 23


def test_misspelt_names() -> None:
    names = correct_names.names()
    assert {"Germany", "South Africa", "Kenya"} <= set(names)
    made = {correct_names.misspelt("Germany", random.Random(seed)) for seed in range(300)}
    assert {"Gemrany", "Germny", "Geermany", "Gernany"} <= made
    assert not {name for name in made if not name.startswith("G")}
    assert correct_names.pairs(["Germany"], 3, seed=1)[0] == ("Germany", "Germany")


def test_words_in_two_scripts() -> None:
    words = dict(transliterate.words())
    assert words["nemačka"] == "немачка"
    assert words["španija"] == "шпанија"
    assert words["aljaska"] == "аљаска"
    assert words["džibuti"] == "џибути"
    assert all(
        set(cyrillic) <= set("абвгдђежзијклљмнњопрстћуфхцчџш") for cyrillic in words.values()
    )


def test_lists_with_one_foreign_name() -> None:
    seen, unseen = which_language.seen_and_unseen()
    assert not set(seen) & set(unseen)
    english = set(which_language.names_of("en").values())
    german = which_language.names_of("de")
    assert german["territory DE"] == "deutschland"
    for text, label, name in which_language.lists(seen, 50, seed=1):
        names = text.split(", ")
        assert len(names) == which_language.NAMES
        assert [its for its in names if its not in english] == [name]
        assert name in which_language.names_of(which_language.LANGUAGES[label]).values()
    ids = which_language.encoded(["ab", "cab?"], "abc")
    np.testing.assert_array_equal(ids, [[1, 2, 0, 0], [3, 1, 2, 4]])


def test_frames_of_words() -> None:
    frames = speak.frames_of("ab")  # two frames of a, and b has three, twice as many at the end
    assert frames.shape == (8, speak.BANDS + 1)
    np.testing.assert_array_equal(frames[:, -1], [0, 0, 0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(frames[0, :-1], speak.SOUNDS[0] * np.sin(np.pi / 4), rtol=1e-6)
    np.testing.assert_allclose(frames[2, :-1], speak.SOUNDS[1] * np.sin(np.pi / 12), rtol=1e-6)
    true, is_said = speak.spoken(["ab", "d"])
    assert is_said.sum(1).tolist() == [8, 10]
    assert speak.stops(true).tolist() == [8, 10]
    assert speak.stops(np.zeros_like(true)).tolist() == [speak.LONGEST] * 2


def test_damaged_copies() -> None:
    for text, *copies in two_copies.texts_with_copies(50, seed=1):
        assert all(len(copy) in (len(text), len(text) + 1) for copy in copies)
        left = [copy for copy in copies if len(copy) == len(text)]
        for letters in zip(text, *left, strict=True):
            assert set(letters[1:]) <= {letters[0], "?"}
            assert len(left) < 2 or letters[0] in letters[1:]
