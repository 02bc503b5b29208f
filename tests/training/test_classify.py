from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from keras_attention.ids import UNKNOWN_ID
from tests.variants import variants
from training.classification.classifier import (
    POOLINGS,
    Alphabets,
    Answer,
    ClassifierConfig,
    batches,
    classifier,
    classify,
    train,
)
from training.classification.picture import rows, to_show
from training.classify import main
from training.corpora.colours import GERMAN, Labelled, colours, labelled, word_of
from training.pictures.heat_maps import FORMATS

WORDS = {"red": "rotes", "blue": "blaues", "green": "grünes"}
THINGS = ("Haus", "Auto", "Boot", "Hemd", "Tuch", "Rad", "Zelt")
TINY = ClassifierConfig(
    embedding_size=5, encoder_units=7, attention_units=11, epochs=1, batch_size=8
)


def sentences(count: int, seed: int) -> list[Labelled]:
    """Descriptions that name one of three colours somewhere."""
    rng = np.random.default_rng(seed)
    found = []
    for label in rng.choice(list(WORDS), count):
        first, second, third = rng.choice(THINGS, 3)
        places = [f"ein {first}", f"ein {WORDS[label]} {second}", f"ein {third}"]
        rng.shuffle(places)
        found.append(Labelled(" und ".join(places), str(label)))
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with descriptions in place of Multi30k's."""
    folder = tmp_path / "data" / "multi30k"
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": 60, "test_a": 9, "test_b": 5}.items()):
        examples = sentences(count, seed)
        german = [f"{text}\n" for text, _ in examples]
        english = [f"something {label}\n" for _, label in examples]
        (folder / f"{split}.de").write_text("".join(german), encoding="utf-8")
        (folder / f"{split}.en").write_text("".join(english), encoding="utf-8")
    return folder.parent


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_ATTENTION_DATA", str(tmp_path / "none"))


def test_the_program(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pictures" / "colours.png"
    arguments = ["--data", str(data), "--out", str(out), "--epochs", "1", "--units", "4"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("60 training texts, 14 test texts, 3 labels.\n")
    for pooling in POOLINGS:
        assert f"\n| {pooling} | " in said
    assert "14 texts name their colour in one word" in said
    assert said.endswith(f"Wrote {out}\n")
    height, width, _ = image.imread(out).shape
    assert width > 2 * height > 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "--epochs must be positive. Received: 0"),
        (("--units", "-1"), "--units must be positive. Received: -1"),
        (("--out", "a.gif"), f"one of {', '.join(FORMATS)}. Received: a.gif"),
        (("--data", "nowhere"), "data folder must exist. Received: 'nowhere'"),
        ((), "no file 'multi30k/train.de'"),
    ],
)
def test_errors_of_use(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) == 2
    assert message in capsys.readouterr().err


def test_one_colour_in_the_english_text_is_a_label() -> None:
    pairs = [
        ("Ein roter Ball. ", "A RED ball."),
        ("Ein roter und ein blauer Ball.", "A red and a blue ball."),
        ("Ein Ball.", "A ball, bored."),
        ("Ein grauer Hut", "a grey hat"),
        ("Rot in rot", "red on red"),
    ]
    assert list(labelled(pairs)) == [("Ein roter Ball.", "red"), ("Ein grauer Hut", "gray")]


@pytest.mark.parametrize(
    ("text", "label", "word"),
    [
        ("Ein roter Ball", "red", "roter"),
        ("Ein Hund in Weiß.", "white", "Weiß"),
        ("Rot und rot", "red", None),
        ("Ein Ball", "red", None),
    ],
)
def test_the_word_of_a_colour(text: str, label: str, word: str | None) -> None:
    places = word_of(Labelled(text, label))
    assert (None if places is None else text[places.start : places.stop]) == word


def test_texts_become_ids() -> None:
    alphabets = Alphabets.of([Labelled("ba", "y"), Labelled("ca", "x")])
    assert tuple(alphabets) == ("abc", ("x", "y"))
    first = UNKNOWN_ID + 1
    expected = [[first, first + 2, UNKNOWN_ID], [first + 1, 0, 0]]
    np.testing.assert_array_equal(alphabets.encode(["acd", "b"]), expected)


def test_each_pass_has_every_text_once_in_an_order_of_its_own() -> None:
    examples = sentences(29, seed=3)
    alphabets = Alphabets.of(examples)
    rngs = [np.random.default_rng(1) for _ in range(2)]
    passes = []
    for _ in range(2):
        one, again = (list(batches(examples, alphabets, 8, rng)) for rng in rngs)
        rows = [(ids[ids > 0].tolist(), int(y)) for x in one for ids, y in zip(*x, strict=True)]
        same = [(ids[ids > 0].tolist(), int(y)) for x in again for ids, y in zip(*x, strict=True)]
        assert rows == same
        passes.append(rows)
    expected = [(alphabets.encode([t])[0].tolist(), alphabets.labels.index(x)) for t, x in examples]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(expected)
    assert passes[0] != passes[1]


@variants("pooling", POOLINGS)
def test_padding_does_not_change_an_answer(pooling: str) -> None:
    examples = sentences(5, seed=4)
    alphabets = Alphabets.of(examples)
    model = classifier(pooling, alphabets, TINY)
    ids = alphabets.encode([examples[0].text])
    padded = np.pad(ids, ((0, 0), (0, 9)))
    expected, found = (model.predict(x, verbose=0)["logits"] for x in (ids, padded))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.thorough
def test_attention_learns_to_look_at_the_word() -> None:
    examples = sentences(300, seed=5)
    alphabets = Alphabets.of(examples)
    config = ClassifierConfig(16, 16, 16, epochs=12, batch_size=16, learning_rate=0.01)
    model = train("attention", examples, alphabets, config)
    unseen = sentences(40, seed=6)
    answers = classify(model, [text for text, _ in unseen], alphabets)
    right = [answer.label == label for answer, (_, label) in zip(answers, unseen, strict=True)]
    assert np.mean(right) > 0.9
    assert classify(model, [unseen[0].text], alphabets)[0].label == answers[0].label
    for answer, (text, _) in zip(answers, unseen, strict=True):
        assert answer.weights is not None
        assert answer.weights.shape == (len(text),)
        assert answer.weights.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_classifier() -> None:
    examples = sentences(40, seed=7)
    alphabets = Alphabets.of(examples)
    one, other = (train("mean", examples, alphabets, TINY) for _ in range(2))
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_picture_shows_each_label_once_and_what_was_wrong() -> None:
    examples = [Labelled("x" * 65, "red"), Labelled("ein $rot$", "red"), Labelled("blau", "blue")]
    examples.append(Labelled("noch ein rot", "red"))
    places = to_show(examples)
    assert places == [1, 2]
    chosen = [examples[i] for i in places]
    answers = [Answer("red", np.eye(9)[4]), Answer("green", np.full(4, 0.25))]
    figure = rows(chosen, answers)
    labels = [axis.get_yticklabels()[0].get_text() for axis in figure.axes]
    assert labels == ["red", "green\n(blue)"]
    shown = ["".join(text.get_text() for text in axis.texts) for axis in figure.axes]
    assert shown == ["ein $rot$", "blau"]
    with pytest.raises(ValueError, match="pooling with attention"):
        rows(chosen[:1], [Answer("red", None)])


def test_real_descriptions(corpora_beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_ATTENTION_DATA", str(corpora_beside))
    unseen = colours("test_*")
    assert len(unseen) == 417
    assert {label for _, label in unseen} == set(GERMAN)
    assert sum(word_of(example) is not None for example in unseen) > 400


@pytest.fixture(scope="module")
def corpora_beside(corpora: Path) -> Path:
    if not (corpora / "multi30k").is_dir():
        pytest.skip(f"no multi30k in {corpora}")
    return corpora
