from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest

from training.fitting import batches as of_batches
from training.fitting.batches import WHOLE, Batch, PassStatistics, Share, plan_pass, planned
from training.fitting.budget import Budget, Shape
from training.shards.parts import EncodedPairs, Lengths


class Planned:
    """A part of which only the lengths are asked for."""

    def __init__(self, lengths: list[Lengths]) -> None:
        self.known = lengths
        self.asked = 0

    def lengths(self) -> list[Lengths]:
        self.asked += 1
        return self.known

    def pairs(self) -> EncodedPairs:
        raise AssertionError


class Passes:
    def __init__(self, *passes: list[Planned]) -> None:
        self.passes = passes

    def parts(self, number: int) -> list[Planned]:
        return self.passes[number % len(self.passes)]


def statistics(lengths: list[Lengths], budget: Budget) -> PassStatistics:
    return of_batches.statistics(Passes([Planned(lengths)]), budget)


def lengths_of(count: int, seed: int = 0) -> list[Lengths]:
    """Targets about as long as their sources."""
    draw = random.Random(seed)
    sources = [draw.randint(1, 37) for _ in range(count)]
    return [(source, max(1, source + draw.randint(-5, 5))) for source in sources]


def test_a_plan_typed_out() -> None:
    """Eight tokens per batch: two pairs of width 4, or one of width 8."""
    lengths = [(3, 2), (7, 8), (4, 4), (1, 3), (2, 6)]
    batches = plan_pass(lengths, Budget(tokens=8), "1")
    assert sorted(len(batch.pairs) for batch in batches) == [1, 1, 1, 2]
    assert ([4], (1, (4, 8))) in batches
    assert ([1], (1, (8, 8))) in batches
    others = [batch.shape.widths for batch in batches if batch.pairs not in ([1], [4])]
    assert set(others) == {(4, 4)}


@pytest.mark.parametrize("budget", [Budget(pairs=13), Budget(tokens=256), Budget(tokens=11)])
def test_every_pair_is_in_one_batch_that_holds_it(budget: Budget) -> None:
    lengths = lengths_of(997)
    batches = plan_pass(lengths, budget, "1")
    assert sorted(i for batch in batches for i in batch.pairs) == list(range(997))
    for batch in batches:
        for side in (0, 1):
            longest = max(lengths[i][side] for i in batch.pairs)
            assert longest <= batch.shape.widths[side] < longest + 4
        assert budget.holds(len(batch.pairs), batch.shape.widths)
        if budget.tokens is not None and len(batch.pairs) > 1:
            assert len(batch.pairs) * max(batch.shape.widths) <= budget.tokens
    if budget.pairs is not None:
        assert sorted(len(batch.pairs) for batch in batches) == [997 % 13] + [13] * (997 // 13)


def test_there_is_little_padding_and_there_are_few_shapes() -> None:
    lengths = lengths_of(7919)
    found = statistics(lengths, Budget(tokens=1024))
    assert found.pairs == 7919
    assert found.source_tokens == sum(source for source, _ in lengths)
    assert found.target_tokens == sum(target for _, target in lengths)
    assert found.padding < 0.12
    assert found.shapes < found.batches / 2
    batches = plan_pass(lengths, Budget(tokens=1024), "0:0")
    places = sum(len(batch.pairs) * sum(batch.shape.widths) for batch in batches)
    assert found.padding == pytest.approx(1 - (found.source_tokens + found.target_tokens) / places)
    assert "7,919 pairs" in str(found)


def test_larger_multiples_make_fewer_shapes_and_more_padding() -> None:
    lengths = lengths_of(1999)
    fine, coarse = (statistics(lengths, Budget(tokens=512, multiple=m)) for m in (2, 16))
    assert coarse.shapes < fine.shapes
    assert coarse.padding > fine.padding
    batches = plan_pass(lengths, Budget(tokens=512, multiple=16), "1")
    assert {width % 16 for batch in batches for width in batch.shape.widths} == {0}


def test_shapes_typed_out() -> None:
    """Short and long pairs, and one that needs the largest widths on both sides."""
    lengths = [(2, 3)] * 8 + [(9, 8)] * 2 + [(9, 12)]
    budget = Budget(tokens=24, multiple=1).with_shapes(Counter(lengths), 3)
    assert budget.shapes == (Shape(8, (2, 3)), Shape(2, (9, 8)), Shape(2, (9, 12)))
    batches = plan_pass(lengths, budget, "1")
    assert sorted((len(batch.pairs), *batch.shape) for batch in batches) == [
        (1, 2, (9, 12)),
        (2, 2, (9, 8)),
        (8, 8, (2, 3)),
    ]
    two = Budget(tokens=24, multiple=1).with_shapes(Counter(lengths), 2)
    assert [shape.widths for shape in two.shapes] == [(2, 3), (9, 12)]
    assert [shape.widths for shape in budget.with_shapes(Counter(lengths), 1).shapes] == [(9, 12)]
    assert Budget(pairs=5, multiple=4).with_shapes(Counter(lengths), 1).shapes == (
        Shape(5, (12, 12)),
    )


@pytest.mark.parametrize("limit", [Budget(pairs=13), Budget(tokens=256), Budget(tokens=11)])
@pytest.mark.parametrize("count", [1, 5, 12])
def test_few_shapes_hold_every_pair(limit: Budget, count: int) -> None:
    lengths = lengths_of(997)
    budget = limit.with_shapes(Counter(lengths), count)
    batches = plan_pass(lengths, budget, "1")
    assert sorted(i for batch in batches for i in batch.pairs) == list(range(997))
    assert {batch.shape for batch in batches} <= set(budget.shapes)
    assert len(budget.shapes) <= count
    for batch in batches:
        assert limit.holds(batch.shape.rows, batch.shape.widths)
        assert 0 < len(batch.pairs) <= batch.shape.rows
        for side in (0, 1):
            assert max(lengths[i][side] for i in batch.pairs) <= batch.shape.widths[side]
    unfilled = [batch for batch in batches if len(batch.pairs) < batch.shape.rows]
    assert [batch.shape for batch in unfilled] in ([], [budget.shapes[-1]])


def test_twelve_shapes_have_little_padding() -> None:
    lengths = lengths_of(7919)
    budget = Budget(tokens=1024, multiple=1)
    padding = [
        statistics(lengths, budget.with_shapes(Counter(lengths), n)).padding for n in (1, 4, 12)
    ]
    assert padding == sorted(padding, reverse=True)
    assert padding[-1] < 0.14
    assert statistics(lengths, budget.with_shapes(Counter(lengths), 12)).shapes == 12


def test_few_pairs_make_one_batch_without_empty_rows() -> None:
    lengths = [(6, 4), (5, 4), (7, 2), (3, 4)]
    budget = Budget(pairs=64, multiple=1).with_shapes(Counter(lengths), 12)
    (batch,) = plan_pass(lengths, budget, "1")
    assert batch.shape == (4, (7, 4))


def test_a_later_pass_may_have_longer_pairs() -> None:
    budget = Budget(pairs=2).with_shapes(Counter({(4, 4): 3}), 12)
    batches = plan_pass([(3, 4), (9, 2), (2, 2), (4, 13)], budget, "1")
    assert sorted(i for batch in batches for i in batch.pairs) == [0, 1, 2, 3]
    shapes = {tuple(batch.pairs): batch.shape.widths for batch in batches}
    assert {widths for pairs, widths in shapes.items() if set(pairs) <= {0, 2}} == {(4, 4)}
    assert any(widths[0] >= 9 for widths in shapes.values())
    assert any(widths[1] >= 13 for widths in shapes.values())


def test_passes_differ_in_their_order_and_not_in_their_shapes() -> None:
    lengths = lengths_of(499)
    plans = [plan_pass(lengths, Budget(tokens=128), seed) for seed in ("1:0", "1:0", "1:1", "2:0")]
    assert plans[0] == plans[1]
    pairs = [[tuple(batch.pairs) for batch in plan] for plan in plans]
    assert len({tuple(order) for order in pairs}) == 3
    shapes = [Counter(batch.shape for batch in plan) for plan in plans]
    assert shapes[0] == shapes[2] == shapes[3]


def test_batches_follow_without_end_and_can_be_entered_anywhere() -> None:
    one, other = Planned(lengths_of(101)), Planned(lengths_of(102, 1))
    passes, budget = Passes([one], [other]), Budget(pairs=16)
    whole = list(islice(planned(passes, budget, seed=3), 20))
    assert [part for part, _ in whole] == [one] * 7 + [other] * 7 + [one] * 6
    assert sorted(i for part, batch in whole for i in batch.pairs if part is other) == [*range(102)]
    assert list(islice(planned(passes, budget, seed=3, first=9), 11)) == whole[9:]


@pytest.mark.parametrize("limit", [Budget(pairs=16), Budget(tokens=99)])
@pytest.mark.parametrize("shapes", [None, 5])
def test_parts_of_a_pass(limit: Budget, shapes: int | None) -> None:
    """Each is planned by itself, and once only for batches that are left out."""
    parts = [Planned(lengths_of(50 + number, number)) for number in range(3)]
    budget = limit if shapes is None else limit.with_shapes(Counter(lengths_of(333)), shapes)
    passes = Passes(parts, parts[::-1])
    whole = list(islice(planned(passes, budget, seed=3), 150))
    of_a_pass = of_batches.statistics(passes, budget, seed=3).batches
    for place, part in enumerate(parts):
        seed = f"3:0:{place}" if place else "3:0"
        planned_alone = plan_pass(part.known, budget, seed)
        assert [batch for own, batch in whole[:of_a_pass] if own is part] == planned_alone
    for part in parts:
        part.asked = 0
    first = 5 * of_a_pass + 1
    rest = list(islice(planned(passes, budget, seed=3, first=first), 1))
    assert sum(part.asked for part in parts) == 4
    assert rest == list(islice(planned(passes, budget, seed=3), first, first + 1))


def test_a_share_of_a_batch() -> None:
    batch = Batch([7, 3, 5, 1, 2], Shape(6, (9, 8)))
    assert [Share(i, 2).of(batch).pairs for i in (0, 1)] == [[7, 3, 5], [1, 2]]
    assert [Share(i, 4).of(batch).pairs for i in range(4)] == [[7, 3], [5, 1], [2], []]
    assert Share(1, 2, devices=2).of(batch) == Batch([2], Shape(4, (9, 8)))
    assert WHOLE.of(batch) == batch
