from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_attention as ka
from keras_attention.export.serving import ServingModule
from keras_attention.text.runs import RunDirectory
from tests.export.toy import (
    BEAM,
    MAX_TARGET,
    sources,
    tokenizer,
    toy_model,
)

BATCHES = [
    sources([13, 1, 2, 7, 5], 29, seed=1),
    sources([3, 8], 29, seed=2, pad_to=11),
    sources([1], 29, seed=3),
]


@pytest.fixture(scope="module")
def serving() -> ServingModule:
    return ServingModule(toy_model(), MAX_TARGET, beam=BEAM)


@pytest.fixture(scope="module")
def functions(serving: ServingModule) -> dict[str, Any]:
    return serving.functions()


@pytest.fixture
def translate(exported: Path) -> Any:
    """Loaded again for each test: TensorFlow forgets tokenizers when a seed is set."""
    loaded = tf.saved_model.load(str(exported / "saved_model" / "toy" / "1"))
    return loaded.signatures["translate"]


@pytest.mark.parametrize("name", ["greedy", "beam"])
def test_searches_give_what_generate_gives(
    serving: ServingModule, functions: dict[str, Any], name: str
) -> None:
    lengths = set()
    for source in BATCHES:
        found = functions[name](source=tf.constant(source))
        expected = serving.model.generate(source, BEAM if name == "beam" else None, MAX_TARGET)
        longest = expected.ids.shape[2]
        assert found["ids"].shape == (len(source), expected.ids.shape[1], MAX_TARGET)
        assert found["ids"].dtype == found["lengths"].dtype == tf.int32
        np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
        np.testing.assert_array_equal(found["ids"][:, :, longest:], 0)
        np.testing.assert_array_equal(found["lengths"], expected.lengths)
        np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-6)
        np.testing.assert_allclose(
            found["attention"][:, :, :longest], expected.attention, atol=1e-6
        )
        lengths |= set(expected.lengths.ravel().tolist())
    assert len(lengths) > 3  # some end early, some are truncated


def test_scores_are_those_of_score(serving: ServingModule) -> None:
    score = serving.functions(["score"])["score"]
    target = sources([3, 7], 29, seed=4)
    found = score(source=tf.constant(BATCHES[1]), target=tf.constant(target))
    expected = serving.model.score(BATCHES[1], target).log_probs
    np.testing.assert_allclose(found["log_probabilities"], expected, atol=1e-6)


def test_a_loop_of_ones_own_over_two_interleaved_batches(functions: dict[str, Any]) -> None:
    found: list[list[np.ndarray]] = [[], []]
    encoded = [functions["encode"](source=tf.constant(source)) for source in BATCHES[:2]]
    assert {x.dtype for batch in encoded for x in batch.values()} == {tf.float32}
    tokens = [tf.ones(len(source), tf.int32) for source in BATCHES[:2]]
    for _ in range(MAX_TARGET):
        for i in (0, 1):
            outputs = functions["decode_step"](tokens=tokens[i], **encoded[i])
            tokens[i] = tf.argmax(outputs["log_probs"], axis=-1, output_type=tf.int32)
            states = {n.removeprefix("next_"): x for n, x in outputs.items() if "state" in n}
            assert set(states) < set(encoded[i])
            encoded[i] |= states
            found[i].append(tokens[i].numpy())
    for source, steps in zip(BATCHES[:2], found, strict=True):
        expected = functions["greedy"](source=tf.constant(source))
        for row, ids in enumerate(np.stack(steps, axis=1)):
            length = int(expected["lengths"][row, 0])
            np.testing.assert_array_equal(ids[:length], expected["ids"][row, 0, :length])


def test_a_step_is_traced_without_a_source_that_was_encoded() -> None:
    """Of what is prepared it knows by itself which is the past's and which the alignment's."""
    model = toy_model(past="coverage", past_options={"max_fertility": 2.0}, alignment="mocha")
    encode = ServingModule(model, MAX_TARGET).functions(["encode"])["encode"]
    step = ServingModule(model, MAX_TARGET).functions(["decode_step"])["decode_step"]
    source, tokens = tf.constant(BATCHES[0]), tf.ones(5, tf.int32)
    encoded = encode(source=source)
    assert {"prepared_0", "prepared_1"} < set(encoded)
    found = step(tokens=tokens, **encoded)
    memory, state = model.encode(source)
    log_probs, weights, _ = model.decode_step(tokens, state, memory)
    np.testing.assert_allclose(found["log_probs"], log_probs, atol=1e-5)
    np.testing.assert_allclose(found["weights"], weights, atol=1e-6)


def test_translate_is_the_translator(translate: Any, run: RunDirectory) -> None:
    texts = ["abc 12", "", "é", "ｅ１", "zzz", "0123456789ab"]  # full width: NFKC; z: unknown
    found = translate(text=tf.constant(texts))
    assert found["text"].shape == (6, 3)
    assert found["attention"].shape == (6, 3, MAX_TARGET, 13)
    for row, expected in enumerate(ka.Translator.from_run(run.path)(texts)):
        hypotheses = [expected, *expected.others]
        decoded = [text.decode() for text in found["text"][row].numpy()]
        assert decoded[: len(hypotheses)] == [h.text for h in hypotheses]
        scores = [h.score for h in hypotheses]
        np.testing.assert_allclose(found["scores"][row, : len(scores)], scores, rtol=1e-5)
    assert found["text"].numpy()[1].tolist() == [b"", b"", b""]
    assert not found["attention"].numpy()[1].any()
    assert translate(text=tf.constant([], tf.string))["text"].shape == (0, 3)


def test_translate_refuses_a_text_that_is_too_long(translate: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)at most 13 tokens.*14"):
        translate(text=tf.constant(["ab", "0123456789abc"]))


def test_without_attention_nothing_of_it_is_offered() -> None:
    model = toy_model(attention=None, end_bias=0.9)
    functions = ServingModule(model, MAX_TARGET, beam=BEAM).functions()
    source = tf.constant(BATCHES[0])
    assert set(functions["beam"](source=source)) == {"ids", "lengths", "scores"}
    encoded = functions["encode"](source=source)
    assert set(encoded) == {"state_0", "state_1"}
    outputs = functions["decode_step"](tokens=tf.ones(5, tf.int32), **encoded)
    assert set(outputs) == {"log_probs", "next_state_0", "next_state_1"}


def test_nothing_of_keras_is_saved(serving: ServingModule) -> None:
    module = serving.module(["greedy"])
    assert len(module.weights) == len(serving.model.weights)
    assert not module.tokenizers
    assert not module.submodules
    assert {type(weight).__module__.partition(".")[0] for weight in module.weights} == {
        "tensorflow"
    }


@pytest.mark.parametrize(
    ("arguments", "names", "message"),
    [
        ({"max_length": 0}, ["greedy"], "`max_length`.*Received: max_length=0"),
        ({"batch_size": 0}, ["greedy"], "`batch_size`.*Received: batch_size=0"),
        ({}, ["sample"], r"`names`.*Received: \['sample'\]"),
        ({"tokenizers": (tokenizer(), tokenizer())}, [], r"29 source and 29 .* sizes \(28, 28\)"),
        ({}, ["translate"], "functions on strings need tokenizers. Received: tokenizers=None"),
    ],
)
def test_wrong_use_is_refused(arguments: dict[str, Any], names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServingModule(toy_model(), **{"max_length": 5, **arguments}).functions(names)


def test_other_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"KERAS_BACKEND=tensorflow.*Received: backend='jax'"):
        ServingModule(model, 5)


def test_options_as_inputs(serving: ServingModule) -> None:
    search = serving.functions(["search"])["search"]
    for source in BATCHES[:2]:
        for width, penalty, length in [
            (5, 0.0, 7),
            (40, 1.0, 4),
        ]:
            found = search(
                tf.constant(source),
                beam_width=tf.constant(width),
                length_penalty=tf.constant(penalty),
                max_length=tf.constant(length),
            )
            expected = serving.model.generate(source, ka.BeamSearch(width, penalty), length)
            longest = expected.ids.shape[2]
            assert found["ids"].shape == (len(source), width, length)
            np.testing.assert_array_equal(found["ids"][:, :, :longest], expected.ids)
            np.testing.assert_array_equal(found["lengths"], expected.lengths)
            np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-6)
            np.testing.assert_allclose(
                found["attention"][:, :, :longest], expected.attention, atol=1e-6
            )
    greedy = serving.model.generate(BATCHES[0], None, 9)
    found = search(tf.constant(BATCHES[0]), tf.constant(1), tf.constant(0.0), tf.constant(9))
    np.testing.assert_array_equal(found["ids"][:, :, : greedy.ids.shape[2]], greedy.ids)
    np.testing.assert_allclose(found["scores"], greedy.scores, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"), [("beam_width", 0), ("length_penalty", -0.5), ("max_length", 0)]
)
def test_wrong_options_are_refused(serving: ServingModule, name: str, value: float) -> None:
    search = serving.functions(["search"])["search"]
    options = {"beam_width": 2, "length_penalty": 0.6, "max_length": 3, name: value}
    given = {key: tf.constant(x) for key, x in options.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=name):
        search(tf.constant(BATCHES[0]), **given)
