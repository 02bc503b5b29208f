"""Target tokens written before the source ends equal those written with the whole source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import randomize
from tests.variants import variants

SOURCE = [5, 8, 6, 7, 9, 4, 10, 6, 5, 2]


def model(seed: int = 3, **changes: Any) -> ka.Seq2Seq:
    sizes = {"embedding_size": 4, "encoder_units": 3, "decoder_units": 6, "attention_units": 5}
    options = {"encoder": "lstm", "bridge": "zeros", "encoder_layers": 2, "alignment": "monotonic"}
    changes = {"alignment_options": {"mode": "hard"}, **changes}
    made = ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, **{**sizes, **options, **changes}))
    randomize(made, seed=seed, scale=1.5)
    return made


@variants("seed", range(4))
@variants(
    "changes",
    [
        {},
        {"attention": "luong", "decoder_layers": 2},
        {"alignment": "mocha", "alignment_options": {"mode": "hard", "chunk_size": 3}},
    ],
    ids=["bahdanau", "luong", "chunks"],
)
def test_equals_the_search_in_the_whole_source(seed: int, changes: dict[str, Any]) -> None:
    made = model(seed, **changes)
    expected = made.generate(np.array([SOURCE]), max_length=12)
    found = list(ka.model.stream(made, iter(SOURCE), max_length=12))
    assert found == expected.ids[0, 0, : expected.lengths[0, 0]].tolist()


def test_a_token_comes_as_soon_as_it_is_certain() -> None:
    made = model()
    read: list[int] = []

    def source() -> Iterator[int]:
        for token in SOURCE:
            read.append(token)
            yield token

    needed = []
    for _ in ka.model.stream(made, source(), max_length=6):
        needed.append(len(read))
    attention = made.generate(np.array([SOURCE]), max_length=6).attention
    assert attention is not None
    weights = attention[0, 0]
    places = [int(row.argmax()) + 1 if row.any() else len(SOURCE) for row in weights]
    assert needed == np.maximum.accumulate(places).tolist()[: len(needed)]
    assert needed[0] < len(SOURCE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "bilstm"}, r"Received: a model with an encoder in two directions"),
        ({"bridge": "dense"}, r"with a bridge from the encoder's last state"),
        ({"alignment_options": {}}, r"with an alignment that is not monotonic and hard"),
        ({"past": "coverage"}, r"with scores with a past"),
    ],
)
def test_what_waits_for_the_end_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(ka.model.stream(model(**changes), iter(SOURCE)))


def test_an_id_out_of_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`source` must hold ids from 0 to 10"):
        next(ka.model.stream(model(), iter([11])))
