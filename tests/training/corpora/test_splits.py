from __future__ import annotations

import random

import pytest

from training.corpora.pairs import Pair
from training.corpora.splits import split_held_out
from training.program import CorpusError


def repeated(sources: int, pairs: int) -> list[Pair]:
    """Pairs, several of which share a source."""
    return [(f"Source {n % sources}", f"target {n}") for n in range(pairs)]


def test_held_out_pairs_share_no_source() -> None:
    same = ["Café  au lait", "cafe\u0301 AU lait ", "ＣＡＦÉ\u00a0au lait", "ℭafé au lait"]
    pairs = repeated(29, 97) + [(source, f"coffee {n}") for n, source in enumerate(same)]
    seen = set()
    for seed in range(23):
        split = split_held_out(pairs, dev=7, test=11, seed=seed)
        train, dev, test = split
        assert sorted(train + dev + test) == sorted(pairs)
        assert 7 <= len(dev) <= 10  # a source has four pairs at most
        assert 11 <= len(test) <= 14
        parts = [{source for source, _ in part if source not in same} for part in split]
        assert sum(map(len, parts)) == 29
        assert sorted(sum(source in same for source, _ in part) for part in split) == [0, 0, 4]
        for part in split:
            assert part == [pair for pair in pairs if pair in part]
        seen.add(frozenset(test))
    assert len(seen) > 19


def test_the_split_depends_on_the_seed_alone() -> None:
    pairs = repeated(29, 97)
    train, dev, test = split_held_out(pairs, 7, 11, seed=5)
    shuffled = random.Random(3).sample(pairs, len(pairs))
    assert [set(part) for part in split_held_out(shuffled, 7, 11, seed=5)] == [
        set(train),
        set(dev),
        set(test),
    ]
    new = [pair for pair in repeated(31, 97) if pair[0] in ("Source 29", "Source 30")]
    grown = split_held_out(pairs + new, 7, 11, seed=5)
    kept = {source for source, _ in test} & {source for source, _ in grown.test}
    assert len(kept) >= len({source for source, _ in test}) - 2  # at most moved by the new ones


def test_the_split_is_the_same_in_every_process() -> None:
    split = split_held_out(repeated(29, 97), 7, 11, seed=5)
    assert {source for source, _ in split.test} == {f"Source {n}" for n in (2, 19, 20, 24)}
    assert {source for source, _ in split.dev} == {f"Source {n}" for n in (5, 10, 15)}


def test_nothing_need_be_held_out() -> None:
    pairs = repeated(5, 13)
    assert split_held_out(pairs, 0, 0, seed=1) == (pairs, [], [])


@pytest.mark.parametrize(("dev", "test"), [(0, 13), (5, 9), (100, 0)])
def test_a_corpus_too_small_to_split_is_an_error(dev: int, test: int) -> None:
    text = (
        rf"hold out {dev} pairs for validation \(data.dev_pairs\) and {test} for testing "
        r"\(data.held_out_pairs\), .* Received: 13 pairs with 5 distinct sources"
    )
    with pytest.raises(CorpusError, match=text):
        split_held_out(repeated(5, 13), dev, test, seed=1)


@pytest.mark.parametrize("name", ["dev", "test"])
def test_negative_sizes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must not be negative. Received: {name}=-1"):
        split_held_out([("a", "b")], **{"dev": 0, "test": 0, "seed": 0, name: -1})
