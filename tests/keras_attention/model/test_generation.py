"""The options of `Seq2Seq.generate` do the same for a model as for a step function."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import keras_attention as ka
from keras_attention.model.compiled import MOST, CompiledFunctions
from tests import reference
from tests.keras_attention.model.test_seq2seq import (
    END,
    SOURCE,
    TARGET_VOCABULARY,
    new,
    next_log_probs,
)
from tests.variants import variants

ALLOWED = np.array(
    [[0, 0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 1, 1, 1]], dtype=bool
)
PREFIX = np.array([[5, 6], [3, 0], [0, 0]])
SEARCHES = [
    ka.GreedySearch((ka.decoding.MinLength(3),)),
    ka.BeamSearch(3, 0.6, constraints=(ka.decoding.MinLength(3), ka.decoding.NoRepeatedNgram(1))),
    ka.BeamSearch(4, 0.6, coverage_penalty=0.3, groups=2, diversity=0.5),
    ka.SamplingSearch(seed=3, num_samples=3, constraints=(ka.decoding.NoRepeatedNgram(2),)),
]


@pytest.fixture(scope="module")
def model() -> Any:
    return new("bahdanau")


def test_a_beam_under_constraints_follows_the_model_as_it_is_trained(model: Any) -> None:
    found = model.generate(SOURCE, SEARCHES[1], 4, prefix=PREFIX, allowed=ALLOWED)
    for row, source in enumerate(SOURCE):
        logs = next_log_probs(model, source)

        def allowed(ids: tuple[int, ...], row: int = row, logs: Any = logs) -> np.ndarray:
            fine = ALLOWED[row].copy()
            fine[list(ids)] = False
            fine[END] &= len(ids) >= 2
            if len(ids) < 2 and PREFIX[row, len(ids)]:
                fine = np.arange(TARGET_VOCABULARY) == PREFIX[row, len(ids)]
            return np.where(fine, logs(ids), -np.inf)

        expected = reference.beam(allowed, END, 4, 3, 0.6)
        for place, one in enumerate(expected):
            assert tuple(found.ids[row, place, : len(one.ids)]) == one.ids
            assert found.scores[row, place] == pytest.approx(one.score(0.6), abs=1e-4)
        assert np.all(np.isneginf(found.scores[row, len(expected) :]))


@variants("search", SEARCHES, core=2)
def test_a_padded_batch_equals_each_sentence_alone(model: Any, search: Any) -> None:
    together = model.generate(SOURCE, search, 5, prefix=PREFIX, allowed=ALLOWED)
    for row, source in enumerate(SOURCE[:1] if isinstance(search, ka.SamplingSearch) else SOURCE):
        given = {"prefix": PREFIX[row : row + 1], "allowed": ALLOWED[row]}
        alone = model.generate(source[None, source != 0], search, 5, **given)
        longest = alone.ids.shape[2]
        np.testing.assert_array_equal(alone.ids[0], together.ids[row, :, :longest])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-5)


def test_samples_have_the_scores_of_the_model(model: Any) -> None:
    found = model.generate(SOURCE, ka.SamplingSearch(1.5, 6, 0.95, seed=3, num_samples=4), 5)
    assert found.ids.shape == (3, 4, 5)
    for k in range(4):
        ids = np.where(found.ids[:, k] == 0, 0, found.ids[:, k])
        if np.any((ids[:, 1:] != 0) & (ids[:, :-1] == 0)):
            continue  # a model with random weights writes padding, which a target must not contain
        scored = model.score(SOURCE, ids).log_probs.sum(axis=1)
        np.testing.assert_allclose(scored, found.scores[:, k], atol=1e-4)


def test_another_seed_is_not_compiled_anew(model: Any) -> None:
    known = model._compiled_functions.by_key
    first, second, again = (
        model.generate(SOURCE, ka.SamplingSearch(seed=seed, num_samples=5), 5) for seed in (1, 2, 1)
    )
    assert sum(isinstance(key[0], ka.SamplingSearch) and key[0].width == 5 for key in known) == 1
    np.testing.assert_array_equal(first.ids, again.ids)
    assert np.any(first.scores != second.scores)


def test_as_many_functions_as_are_in_use_are_kept() -> None:
    """A service whose clients choose options would grow without end."""
    functions = CompiledFunctions()
    own = [functions.get(i, lambda x: x, []) for i in range(MOST)]
    assert functions.get(0, lambda x: x, []) is own[0]
    functions.get("another", lambda x: x, [])
    assert len(functions.by_key) == MOST
    assert functions.get(0, lambda x: x, []) is own[0]  # 1 was used least recently
    assert 1 not in functions.by_key
    assert copy.deepcopy(functions).by_key == {}


def test_a_row_without_hypotheses(model: Any) -> None:
    nothing = np.ones((3, TARGET_VOCABULARY), bool)
    nothing[1] = False
    for search in (ka.GreedySearch(), ka.BeamSearch(2)):
        found = model.generate(SOURCE, search, 5, allowed=nothing)
        assert np.all(found.lengths[1] == 0)
        assert np.all(np.isneginf(found.scores[1]))
        assert np.all(found.lengths[[0, 2], 0] > 0)


@variants("search", SEARCHES, core=2)
def test_a_model_whose_numbers_went_wrong_is_told_under_constraints_too(search: Any) -> None:
    model = new("bahdanau")
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="NaN log-probabilities"):
        model.generate(SOURCE, search, 4)


def test_coverage_needs_a_model_with_attention() -> None:
    with pytest.raises(ValueError, match=r"`coverage_penalty` needs attention weights"):
        new("without").generate(SOURCE, ka.BeamSearch(2, coverage_penalty=0.2))


def test_a_graph_that_samples_needs_random_numbers(model: Any) -> None:
    with pytest.raises(ValueError, match=r"`uniform`.*Received: search=SamplingSearch\("):
        model.search(SOURCE, ka.SamplingSearch(), 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prefix": [[5, 6]]}, r"`prefix`.*rows.*Received: 3 sources, prefix of \(1, 2\)"),
        ({"prefix": [[7], [0], [0]]}, r"`prefix`.*0 to 6.*Received: prefix\[0, 0\]=7"),
        ({"prefix": [[0, 5]] * 3}, r"`prefix` must be padded with 0 on the right"),
        ({"prefix": [[5] * 9] * 3, "max_length": 8}, r"`prefix`.*a prefix of 9 .*max_length=8"),
        ({"allowed": [True] * 6}, r"`allowed`.*= \(3, 7\).*Received: shape=\(6,\), dtype=bool"),
        ({"allowed": [1] * 7}, r"`allowed`.*boolean.*Received: shape=\(7,\), dtype=int64"),
    ],
)
def test_constraints_of_rows_that_cannot_be_are_refused(
    model: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.generate(SOURCE, **given)


@pytest.mark.parametrize("search", [3, "beam", ka.BeamSearch])
def test_what_is_no_search_is_refused(model: Any, search: Any) -> None:
    with pytest.raises(TypeError, match=r"`search` must be GreedySearch\(\).*Received: search="):
        model.generate(SOURCE, search)


def test_rows_of_different_lengths_are_padded(model: Any) -> None:
    rows = [row[row != 0] for row in SOURCE]
    expected = model.generate(SOURCE, max_length=4, prefix=PREFIX)
    prefix = [row[row != 0] for row in PREFIX]
    for source in (rows, [row.tolist() for row in rows], tuple(rows)):
        found = model.generate(source, max_length=4, prefix=prefix)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    targets = [[3, END], [END], [5, 4, END]]
    padded = [[3, END, 0], [END, 0, 0], [5, 4, END]]
    np.testing.assert_allclose(
        model.score(rows, targets).log_probs, model.score(SOURCE, padded).log_probs, atol=1e-6
    )


def test_a_ragged_tensor_is_padded(model: Any) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    ragged = tensorflow.ragged.constant([row[row != 0].tolist() for row in SOURCE])
    found, expected = (model.generate(x, max_length=4).ids for x in (ragged, SOURCE))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([[5, 6], [7.0]], r"integer ids.*Received: shape=\(2, 2\), dtype=float64"),
        ([[5, 99], [7]], r"ids from 0 to .*Received: source\[0, 1\]=99"),
        ([[0, 5], [7]], r"padded with 0 on the right only.*row 0"),
        ([[], []], r"non-empty array.*Received: shape=\(2, 0\)"),
    ],
)
def test_padding_does_not_hide_ids_that_cannot_be(model: Any, source: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"`source` must .*{message}"):
        model.generate(source)


def test_a_model_is_not_made_of_a_dictionary() -> None:
    config: Any = {"source_vocabulary": 20, "target_vocabulary": 20}
    with pytest.raises(TypeError, match=r"`config` must be a Seq2SeqConfig.*Received: config="):
        ka.Seq2Seq(config)


@pytest.mark.parametrize("option", ["dropout", "coverage_loss"])
def test_a_number_is_not_a_string(option: str) -> None:
    options: Any = {option: "0.1"}
    with pytest.raises(TypeError, match=rf"`{option}` must be a number.*{option}='0.1'"):
        ka.Seq2SeqConfig(20, 20, **options)


def test_a_model_needs_a_target_of_one_token_to_train(model: Any) -> None:
    model.compile("sgd", ka.losses.MaskedCrossEntropy())
    nothing = np.zeros((3, 0), int)
    with pytest.raises(ValueError, match=r"`inputs` must have at least one position"):
        model.fit({"source": SOURCE, "target": nothing}, nothing, verbose=0)
