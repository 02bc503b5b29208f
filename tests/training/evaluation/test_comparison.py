"""The statistics of a comparison, checked against sacreBLEU on resampled sentences."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from training.evaluation.bootstrap import Interval, resample
from training.evaluation.comparison import compare
from training.evaluation.lengths import length_buckets
from training.evaluation.metrics import Bleu

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "The", "dog", "ran", "home", ",", "."]


def sentences(count: int, seed: int, noise: float) -> tuple[list[str], list[list[str]]]:
    """Outputs that differ from their references in a fraction of the words."""
    pick = random.Random(seed)
    references = [pick.choices(WORDS, k=pick.randint(1, 17)) for _ in range(count)]
    outputs = [
        " ".join(pick.choice(WORDS) if pick.random() < noise else word for word in words)
        for words in references
    ]
    several = [
        [" ".join(words)] + [" ".join(reversed(words))] * (n % 3 == 0)
        for n, words in enumerate(references)
    ]
    return outputs, several


def corpus_bleu(outputs: list[str], references: list[list[str]], lowercase: bool = False) -> float:
    most = max(map(len, references))
    columns = [[known[i] if i < len(known) else None for known in references] for i in range(most)]
    return float(BLEU(lowercase=lowercase).corpus_score(outputs, columns).score)


@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_of_summed_counts_is_sacrebleus(lowercase: bool) -> None:
    outputs, references = sentences(53, seed=3, noise=0.4)
    outputs[7] = ""
    metric = Bleu(lowercase)
    counts = metric.counts(outputs, references)
    assert counts.shape == (53, 10)
    expected = corpus_bleu(outputs, references, lowercase)
    assert metric(outputs, references) == pytest.approx(expected, abs=1e-9)
    for draw in np.random.default_rng(5).integers(53, size=(11, 31)):
        texts = corpus_bleu([outputs[i] for i in draw], [references[i] for i in draw], lowercase)
        assert metric.of(counts[draw].sum(axis=0)) == pytest.approx(texts, abs=1e-9)


def test_a_resample_is_bleu_of_the_resampled_sentences_the_same_for_all_systems() -> None:
    good, references = sentences(37, seed=3, noise=0.2)
    bad = [" ".join(reversed(text.split())) for text in good]
    metric = Bleu()
    counted = np.stack([metric.counts(texts, references) for texts in (good, bad, good)])
    resampled = resample(metric, counted, 13, np.random.default_rng(7))
    times = np.random.default_rng(7).multinomial(37, np.full(37, 1 / 37), size=13)
    for row, counts in zip(resampled, times, strict=True):
        drawn = np.repeat(np.arange(37), counts)
        for system, texts in ((0, good), (1, bad)):
            expected = corpus_bleu([texts[i] for i in drawn], [references[i] for i in drawn])
            assert row[system] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_array_equal(resampled[:, 0], resampled[:, 2])


def test_nothing_right_is_zero() -> None:
    assert Bleu()(["x y z", ""], [["a b"], ["c"]]) == 0.0


def test_an_interval_is_of_percentiles() -> None:
    interval = Interval.of(50.0, np.arange(101.0))
    assert (interval.value, interval.low, interval.high) == (50.0, 2.5, 97.5)
    assert str(interval) == "50.0 [2.5, 97.5]"


def made_up(count: int = 240) -> tuple[list[list[str]], dict[str, list[str]]]:
    """A system that is right, and one that gets the second half of sentences over 8 words wrong."""
    pick = random.Random(11)
    targets, right, forgetful = {}, [], []
    for n in range(count):
        words = [*pick.choices(WORDS, k=3 + n % 18), str(n)]
        targets[" ".join(words)] = [" ".join(words)]
        right.append(" ".join(words))
        forgetful.append(" ".join(word if i < 8 else "x" for i, word in enumerate(words)))
    return [right, forgetful], targets


def test_a_comparison_finds_what_length_does() -> None:
    outputs, targets = made_up()
    found = compare(["with", "without"], outputs, targets, buckets=5, resamples=97)
    assert [(row.words, row.sources) for row in found.thirds] == [
        ("4-9", 84),
        ("10-15", 78),
        ("16-21", 78),
    ]
    assert sum(row.sources for row in found.rows) == found.whole.sources == 240
    for row in (*found.rows, *found.thirds, found.whole):
        places = [i for i, s in enumerate(targets) if row.shortest <= len(s.split()) <= row.longest]
        references = [list(targets.values())[i] for i in places]
        for k, texts in enumerate(outputs):
            expected = corpus_bleu([texts[i] for i in places], references)
            assert row.bleu[k].value == pytest.approx(expected)
            assert row.bleu[k].low <= row.bleu[k].value <= row.bleu[k].high
        difference = row.bleu[0].value - row.bleu[1].value
        assert row.differences[0].value == pytest.approx(difference)
    (growth,) = found.growth
    short, _, long = (row.differences[0].value for row in found.thirds)
    assert growth.value == pytest.approx(long - short)
    assert growth.low > 20
    assert found.verdicts()[0].startswith(
        "with - without: the difference on the longest third is larger than on the shortest: by "
    )


@pytest.mark.thorough
def test_the_intervals_hold_what_they_promise() -> None:
    """Systems that differ by chance alone: 95 of 100 intervals should contain 0."""
    (right, _), targets = made_up()
    pick, contains = random.Random(2), 0
    for _ in range(40):
        systems = [
            [" ".join(w if pick.random() < 0.8 else "x" for w in text.split()) for text in right]
            for _ in range(2)
        ]
        found = compare(["a", "b"], systems, targets, buckets=1, resamples=101)
        contains += found.growth[0].low < 0 < found.growth[0].high
        by_chance = found
    assert 34 <= contains <= 40
    assert "may be as large as on the shortest" in by_chance.verdicts()[0]


def test_a_difference_may_shrink() -> None:
    outputs, targets = made_up()
    (verdict,) = compare(["b", "a"], outputs[::-1], targets, resamples=97).verdicts()
    assert verdict.startswith("b - a: the difference on the longest third is smaller than on")


def test_the_seed_gives_the_resamples() -> None:
    outputs, targets = made_up(60)
    first, again, other = (
        compare(["a", "b"], outputs, targets, resamples=31, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first.whole.bleu[1].value == other.whole.bleu[1].value
    assert first.whole.bleu[1].low != other.whole.bleu[1].low


def test_buckets_of_equal_size_draw_independently() -> None:
    """Otherwise, the interval of the difference of differences would be too narrow."""
    short = {f"{n} b c d e f": [f"{n} b c d e f"] for n in range(50)}
    targets = {**short, **{f"{text} g": [f"{text} g"] for text in short}}
    mixed = [text if n % 2 else text.replace("d", "x") for n, text in enumerate(targets)]
    found = compare(["right", "mixed"], [list(targets), mixed], targets, resamples=2000)
    assert [row.sources for row in found.thirds] == [50, 50]
    one, other, both = (
        interval.high - interval.low
        for interval in (*(row.differences[0] for row in found.thirds), found.growth[0])
    )
    assert both == pytest.approx((one**2 + other**2) ** 0.5, rel=0.1)


def test_one_length_has_no_growth() -> None:
    targets = {f"a b {n}": [f"a b {n}"] for n in range(7)}
    found = compare(["a", "b"], [list(targets)] * 2, targets, resamples=11)
    assert found.growth == []
    assert len(found.rows) == len(found.thirds) == 1
    assert "lengths of the sources are too similar" in str(found)


def test_a_comparison_prints_itself_and_goes_to_json() -> None:
    outputs, targets = made_up(90)
    found = compare(["with", "no"], outputs, targets, buckets=4, resamples=31, lowercase=True)
    lines = str(found).splitlines()
    assert lines[0].split() == ["words", "sources", "with", "no", "with", "-", "no"]
    assert lines[1].split()[:3] == ["4-7", str(found.rows[0].sources), "100.0"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert "case:lc" in lines[-2]
    assert "31 paired resamples" in lines[-2]
    assert json.loads(json.dumps(asdict(found)))["growth"][0].keys() == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("lengths", "count", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], 3, ["1-2", "3-4", "5-6"]),
        ([5, 5, 5, 5, 5, 5, 9], 3, ["5", "9"]),
        ([4] * 7, 3, ["4"]),
        ([1, 9, 1, 9, 1, 9, 30], 2, ["1", "9-30"]),
        ([3, 1, 2], 7, ["1", "2", "3"]),
        ([0, 2], 1, ["0-2"]),
    ],
)
def test_buckets_are_of_whole_lengths(lengths: list[int], count: int, expected: list[str]) -> None:
    buckets = length_buckets(["a " * n for n in lengths], count)
    assert [bucket.name for bucket in buckets] == expected
    assert sorted(np.concatenate([bucket.places for bucket in buckets])) == list(
        range(len(lengths))
    )


def test_buckets_are_about_equal() -> None:
    pick = random.Random(1)
    sources = ["a " * min(max(round(pick.gauss(12, 4)), 1), 40) for _ in range(1000)]
    assert all(len(bucket.places) in range(240, 430) for bucket in length_buckets(sources, 3))
