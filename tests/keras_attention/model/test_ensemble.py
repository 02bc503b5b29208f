"""An ensemble averages its models at every step, and searches run over it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests import reference
from tests.arrays import to_numpy
from tests.keras_attention.model.test_seq2seq import END, SOURCE, new, next_log_probs
from tests.variants import variants

TARGET = np.array([[3, 5, 2], [4, 2, 0], [6, 6, 3]])


@pytest.fixture(scope="module")
def models() -> list[Any]:
    """Models with additive attention, without attention, and with two layers and a Luong score."""
    return [new(kind) for kind in ("bahdanau", "without", "luong")]


def mean_log_probs(models: list[Any], source: np.ndarray, mean: str) -> reference.NextLogProbs:
    each = [next_log_probs(model, source) for model in models]

    def look_up(ids: tuple[int, ...]) -> np.ndarray:
        log_probs = np.array([one(ids) for one in each])
        if mean == "probabilities":
            return np.log(np.exp(log_probs).mean(axis=0))
        product = np.exp(log_probs.sum(axis=0) / len(models))
        return np.log(product / product.sum())

    return look_up


@variants("mean", ["probabilities", "log_probabilities"])
def test_a_beam_follows_the_mean_of_the_models(models: list[Any], mean: Any) -> None:
    found = ka.model.Ensemble(models, mean).generate(SOURCE, ka.BeamSearch(3, 0.8), 4)
    for row, source in enumerate(SOURCE):
        expected = reference.beam(mean_log_probs(models, source, mean), END, 4, 3, 0.8)
        for place, one in enumerate(expected):
            assert tuple(found.ids[row, place, : len(one.ids)]) == one.ids
            assert found.scores[row, place] == pytest.approx(one.score(0.8), abs=1e-4)


@variants("mean", ["probabilities", "log_probabilities"])
def test_scores_and_attention_are_means(models: list[Any], mean: Any) -> None:
    found = ka.model.Ensemble(models, mean).score(SOURCE, TARGET)
    for row, t in np.ndindex(TARGET.shape):
        expected = mean_log_probs(models, SOURCE[row], mean)(tuple(TARGET[row, :t]))
        token = TARGET[row, t]
        log_prob = expected[token] if token else 0.0
        assert found.log_probs[row, t] == pytest.approx(log_prob, abs=1e-4)
    attention = [models[place].score(SOURCE, TARGET).attention for place in (0, 2)]
    np.testing.assert_allclose(found.attention, np.mean(attention, axis=0), atol=1e-5)


@variants(
    "search",
    [
        ka.GreedySearch((ka.decoding.MinLength(3),)),
        ka.BeamSearch(3, 0.6, coverage_penalty=0.2),
        ka.SamplingSearch(seed=3, num_samples=2),
    ],
)
def test_an_ensemble_of_equals_is_one_of_them(models: list[Any], search: Any) -> None:
    prefix = [[3], [0], [4]]
    alone, together = (
        model.generate(SOURCE, search, 5, prefix=prefix)
        for model in (models[0], ka.model.Ensemble([models[0]] * 2))
    )
    np.testing.assert_array_equal(alone.ids, together.ids)
    np.testing.assert_allclose(alone.scores, together.scores, atol=1e-5)
    np.testing.assert_allclose(alone.attention, together.attention, atol=1e-5)


def test_without_attention_there_are_no_weights(models: list[Any]) -> None:
    found = ka.model.Ensemble([models[1]] * 2).generate(SOURCE, ka.BeamSearch(2), 4)
    assert found.attention is None


def test_in_the_graph(models: list[Any]) -> None:
    ensemble = ka.model.Ensemble(models)
    source = keras.ops.convert_to_tensor(SOURCE, dtype="int32")
    found = ensemble.search(source, ka.GreedySearch(), 4)
    expected = ensemble.generate(SOURCE, max_length=4)
    longest = expected.ids.shape[2]
    np.testing.assert_array_equal(to_numpy(found.ids)[:, :, :longest], expected.ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_vocabulary": 12}, r"one `source_vocabulary`.*source_vocabulary=\[11, 12\]"),
        ({"target_vocabulary": 8}, r"one `target_vocabulary`.*target_vocabulary=\[7, 8\]"),
        ({"start_id": 2}, r"one `start_id`.*Received: start_id=\[1, 2\]"),
    ],
)
def test_models_that_differ_are_refused(
    models: list[Any], changes: dict[str, Any], message: str
) -> None:
    sizes = {
        "source_vocabulary": 11,
        "target_vocabulary": 7,
        "encoder_units": 3,
        "decoder_units": 5,
    }
    other = ka.Seq2Seq(ka.Seq2SeqConfig(**{**sizes, **changes}))
    with pytest.raises(ValueError, match=message):
        ka.model.Ensemble([models[0], other])


def test_what_is_no_ensemble_is_refused(models: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"`models`.*two models or more. Received: 1"):
        ka.model.Ensemble(models[:1])
    with pytest.raises(TypeError, match=r"`models` must hold step models.*Received: a Dense"):
        ka.model.Ensemble([models[0], keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"`mean` must be one of.*Received: mean='median'"):
        ka.model.Ensemble(models, "median")
