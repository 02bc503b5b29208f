"""A model of one's own with an encoder and a step: searches, scores, constraints and ensembles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from tests import reference
from tests.arrays import randomize, to_numpy, uniform
from tests.variants import variants

START, END, V = 4, 3, 7
IMAGES, SENSORS = uniform(2, 3, 4, 5, seed=1), uniform(2, 6, 2, seed=2)
SOURCE = {"image": IMAGES, "sensor": SENSORS}


class Describer(ka.model.StepModel, keras.Model):
    """Describes an image and a sensor; some leaves of its memory and state are None."""

    source_specs = {  # noqa: RUF012
        "image": keras.InputSpec(shape=(None, 3, 4, 5), dtype="float32"),
        "sensor": keras.InputSpec(shape=(None, None, 2), dtype="float32"),
    }
    target_vocabulary, start_id = V, START
    end_id: Any = END

    def __init__(self) -> None:
        super().__init__()
        self.embed = keras.layers.Embedding(V, 4)
        self.look = keras.layers.Conv2D(6, 2)
        self.sum_up = keras.layers.GRU(5)
        self.decoder = ka.AttentionDecoder(keras.layers.LSTMCell(5), ka.BahdanauAttention(3))
        self.words = keras.layers.Dense(V)

    def read(self, source: Any) -> tuple[Any, Any]:
        seen = ops.reshape(self.look(source["image"]), (-1, 6, 6))
        felt = self.sum_up(source["sensor"])
        return seen, [felt, ops.tanh(felt)]

    def call(self, inputs: Any) -> Any:
        seen, start = self.read(inputs["source"])
        embedded = self.embed(inputs["target"])
        return self.words(self.decoder(embedded, memory=seen, initial_state=start))

    def encode(self, source: Any) -> tuple[Any, Any]:
        seen, start = self.read(source)
        memory = self.decoder.prepare(seen)
        state = {"cells": self.decoder.initial_state(memory, start), "unused": None}
        return {"seen": memory, "nothing": None}, state

    def decode_step(self, tokens: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        embedded = self.embed(tokens)
        output, weights, cells = self.decoder.step(embedded, state["cells"], memory["seen"])
        return ops.log_softmax(self.words(output)), weights, {"cells": cells, "unused": None}

    def attention_length(self, source: Any, memory: Any) -> int:
        return 6


def describer(seed: int = 3) -> Describer:
    model = Describer()
    model({"source": SOURCE, "target": np.ones((2, 1), "int32")})
    randomize(model, seed=seed, scale=1.5)
    return model


@pytest.fixture(scope="module")
def model() -> Describer:
    return describer()


def log_probs_by(model: Describer, row: int) -> Callable[[tuple[int, ...]], np.ndarray]:
    """Log-probabilities of the next token, from the call with which the model is trained."""

    def look_up(ids: tuple[int, ...]) -> np.ndarray:
        source = {name: array[row : row + 1] for name, array in SOURCE.items()}
        target = np.array([[START, *ids]], "int32")
        return to_numpy(ops.log_softmax(model({"source": source, "target": target})))[0, -1]

    return look_up


def test_a_beam_follows_the_model_as_it_is_trained(model: Describer) -> None:
    found = model.generate(SOURCE, ka.BeamSearch(3, 0.6), max_length=4)
    assert np.shape(found.attention) == (2, 3, found.ids.shape[2], 6)
    for row in range(2):
        for place, one in enumerate(reference.beam(log_probs_by(model, row), END, 4, 3, 0.6)):
            assert tuple(found.ids[row, place, : len(one.ids)]) == one.ids
            assert found.scores[row, place] == pytest.approx(one.score(0.6), abs=1e-4)


@variants(
    "search",
    [
        ka.SamplingSearch(seed=3, num_samples=3),
        ka.GreedySearch((ka.decoding.MinLength(3),)),
        ka.BeamSearch(4, coverage_penalty=0.3, groups=2, diversity=0.5),
    ],
)
def test_every_search_has_the_scores_of_the_model(model: Describer, search: Any) -> None:
    prefix, allowed = np.array([[5], [0]]), np.arange(V) > 1  # not padding, as a target has none
    found = model.generate(SOURCE, search, 4, prefix=prefix, allowed=allowed)
    assert np.all(found.ids[0, :, 0] == 5)
    assert not np.any(found.ids == 1)
    attention = np.asarray(found.attention)
    np.testing.assert_allclose(attention.sum(axis=-1).max(axis=-1), 1.0, atol=1e-5)
    for k in range(found.ids.shape[1]):
        scored = model.score(SOURCE, found.ids[:, k])
        if not isinstance(search, ka.BeamSearch):
            np.testing.assert_allclose(scored.log_probs.sum(1), found.scores[:, k], atol=1e-4)
        np.testing.assert_allclose(scored.attention, attention[:, k], atol=1e-5)


def test_sources_of_other_lengths_are_not_compiled_anew(model: Describer) -> None:
    first = model.generate(SOURCE, max_length=3)
    count = len(model._compiled_functions.by_key)
    longer = {**SOURCE, "sensor": np.pad(SENSORS, ((0, 0), (5, 0), (0, 0)))}
    assert model.generate(longer, max_length=3).ids.shape[0] == 2
    assert len(model._compiled_functions.by_key) == count
    np.testing.assert_array_equal(model.generate(SOURCE, max_length=3).ids, first.ids)


def test_any_of_several_end_tokens_ends(model: Describer) -> None:
    several = describer()
    several.end_id = (END, 6)
    long = model.generate(SOURCE, ka.GreedySearch((ka.decoding.MinLength(8),)), 8)
    found = several.generate(SOURCE, ka.BeamSearch(4, 0.0), max_length=8)
    assert not np.any(long.ids[..., :7] == END)
    ends = np.isin(found.ids, several.end_id)
    complete = found.lengths < 8
    assert len(set(found.ids[ends])) == 2
    np.testing.assert_array_equal(ends.sum(axis=2)[complete], 1)
    rows, places = np.nonzero(complete)
    assert np.all(np.isin(found.ids[rows, places, found.lengths[complete] - 1], several.end_id))
    least = several.generate(SOURCE, ka.BeamSearch(4, constraints=(ka.decoding.MinLength(3),)), 8)
    assert least.lengths.min() >= 3


def test_an_ensemble_of_models_of_ones_own(model: Describer) -> None:
    together = ka.model.Ensemble([model, model])
    search = ka.BeamSearch(2, 0.6, coverage_penalty=0.2)
    alone, both = (one.generate(SOURCE, search, 5) for one in (model, together))
    np.testing.assert_array_equal(alone.ids, both.ids)
    np.testing.assert_allclose(alone.attention, both.attention, atol=1e-5)
    other = describer()
    other.end_id = 2
    with pytest.raises(ValueError, match=r"one `end_id`. Received: end_id=\[3, 2\]"):
        ka.model.Ensemble([model, other])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {**SOURCE, "image": IMAGES[:, :2]},
            r"must fit its spec, float32 .*of shape \(2, 2, 4, 5\)",
        ),
        ({**SOURCE, "image": IMAGES[:1]}, r"same number of rows in each array. Received: \[1, 2\]"),
        ({**SOURCE, "sensor": SENSORS.astype("complex64")}, r"must fit its spec.*complex64"),
        ({"image": IMAGES}, r"`source` must have the form of `source_specs`"),
        (IMAGES, r"`source` must have the form of `source_specs`"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(model: Describer, source: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.generate(source, max_length=2)


class Bare(ka.model.StepModel):
    """No Keras model: a table of log-probabilities, and lists of ids as source."""

    source_specs = keras.InputSpec(shape=(None, None), dtype="int32")
    target_vocabulary = 4
    variables = ()  # type: ignore[assignment]

    def encode(self, source: Any) -> tuple[Any, Any]:
        return ops.cast(ops.max(source, axis=1), "float32"), ()

    def decode_step(self, tokens: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        likely = ops.expand_dims(memory, 1) * ops.one_hot(3 - ops.minimum(tokens // 2, 1), 4)
        weights = ops.ones((ops.shape(tokens)[0], 1))
        return ops.log_softmax(likely), weights, state


def test_a_memory_of_another_kind_has_no_known_length() -> None:
    class Measured(Bare):
        def attention_length(self, source: Any, memory: Any) -> int:
            return 1

    class Silent(Bare):
        has_attention = False

    with pytest.raises(
        NotImplementedError, match=r"Bare must implement `attention_length\(source, memory\)`"
    ):
        Bare().generate([[5]], max_length=3)
    measured = Measured().generate([[5], [9, 8]], max_length=3)  # rows of different lengths
    np.testing.assert_array_equal(measured.ids[:, 0], [[3, 2], [3, 2]])
    np.testing.assert_array_equal(measured.attention, np.ones((2, 1, 2, 1)))
    silent = Silent().generate([[5], [9, 8]], max_length=3)
    np.testing.assert_array_equal(silent.ids, measured.ids)
    assert silent.attention is None


def test_ids_are_checked_where_their_number_is_known() -> None:
    class Known(Bare):
        source_vocabulary, has_attention = 7, False

    with pytest.raises(ValueError, match=r"`source` must hold ids from 0 to 6.*=9"):
        Known().generate([[5], [9, 8]])
    with pytest.raises(ValueError, match="must fit its spec, int32"):
        Bare().generate([[5.5]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"source_specs": None},
            "`source_specs` of Changed must be a keras.InputSpec with a shape",
        ),
        ({"source_specs": (None, None)}, "`source_specs` of Changed must be a keras.InputSpec"),
        ({"source_specs": keras.InputSpec(ndim=2)}, "`source_specs` of Changed must be"),
        ({"target_vocabulary": None}, "`target_vocabulary` of Changed must be the number of"),
        ({"end_id": 99}, r"must be ids from 0 to 3. Received: start_id=1, end_id=99"),
        ({"end_id": (2, 4)}, r"must be ids from 0 to 3.*end_id=\(2, 4\)"),
        ({"start_id": -1}, r"must be ids from 0 to 3. Received: start_id=-1"),
        ({"encode": lambda self, x: x}, "`encode` of Changed must return the memory and the state"),
        ({"decode_step": lambda *_: (1, 2)}, "`decode_step` of Changed must return.*a tuple of 2"),
        (
            {"has_attention": True, "attention_length": lambda *_: 1},
            "must return attention weights",
        ),
        ({"decode_step": lambda self, t, s, m: (m, None, s)}, "log-probabilities above 0"),
    ],
)
def test_a_model_that_is_wrong_is_told_how(changes: dict[str, Any], message: str) -> None:
    def step(self: Any, tokens: Any, state: Any, memory: Any) -> Any:
        return ops.log_softmax(memory), None, state

    def encode(self: Any, source: Any) -> Any:
        return ops.tile(ops.cast(ops.max(source, 1, keepdims=True), "float32"), (1, 4)), ()

    own = {"has_attention": False, "encode": encode, "decode_step": step}
    changed = type("Changed", (Bare,), {**own, **changes})()
    with pytest.raises((TypeError, ValueError), match=message):
        changed.generate([[5]], max_length=2)


def test_what_a_model_must_have() -> None:
    class Empty(ka.model.StepModel):
        source_specs = keras.InputSpec(shape=(None, 1))
        target_vocabulary = 3
        variables = ()  # type: ignore[assignment]

    with pytest.raises(NotImplementedError, match=r"Empty must implement `encode`.*before Step"):
        Empty().generate([[0.0]])
    with pytest.raises(NotImplementedError, match="Empty must implement `decode_step`"):
        Empty().decode_step(None, None, None)
