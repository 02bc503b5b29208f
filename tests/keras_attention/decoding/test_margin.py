"""How close a search came to a different result, compared with a hand-written search."""

from __future__ import annotations

import numpy as np
import pytest

from keras_attention.decoding.margin import SearchMargin
from tests import reference
from tests.arrays import to_numpy
from tests.keras_attention.decoding.test_search import END, ROWS, chain, one_row
from tests.variants import variants


@pytest.mark.parametrize("length_penalty", [0.0, 0.6])
@pytest.mark.parametrize("width", [1, 2, 3, 7])
@variants("seed", range(3))
def test_the_smallest_difference_that_decided(seed: int, width: int, length_penalty: float) -> None:
    searched = chain(seed)
    margin = SearchMargin(width, length_penalty)
    found = margin(searched.step, searched.state(), searched.start(), end_id=END, max_length=6)
    expected = [
        reference.beam_margin(searched.next_log_probs(row), END, 6, width, length_penalty)
        for row in range(ROWS)
    ]
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)


def test_typed_numbers() -> None:
    """From 1 to 3 with probability 0.6 or to 4 with 0.4, and then always to the end."""
    searched = one_row({(1,): [0, 0, 0, 0.6, 0.4]}, 5)
    arguments = (searched.step, searched.state(), searched.start())
    for kept in (1, 2):  # a beam of one is decided in the first step, the order of two at the end
        (found,) = to_numpy(SearchMargin(kept)(*arguments, end_id=END, max_length=4))
        assert found == pytest.approx(np.log(0.6 / 0.4), abs=1e-6)
    certain = one_row({(1,): [0, 0, 0, 1, 0]}, 5)
    arguments = (certain.step, certain.state(), certain.start())
    assert to_numpy(SearchMargin(3)(*arguments, end_id=END, max_length=4)) == [np.inf]
