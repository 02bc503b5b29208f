"""Scheduled sampling: typed schedules, what is sampled, what is read, and that it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import schedules
from keras_attention.decoding import scheduled_decoding
from tests import reference
from tests.arrays import randomize, to_numpy
from tests.variants import each_execution, variants

B, T, V = 3, 5, 13
SOURCE = np.array([[5, 6, 7, 8, 9, 5, 2], [6, 7, 2, 0, 0, 0, 0], [8, 9, 6, 5, 2, 0, 0]])
TARGET = np.array([[1, 4, 9, 6, 10], [1, 5, 0, 0, 0], [1, 11, 3, 0, 0]])
LABELS = np.array([[4, 9, 6, 10, 2], [5, 2, 0, 0, 0], [11, 3, 2, 0, 0]])
INPUTS = {"source": SOURCE, "target": TARGET}


def config(**options: Any) -> ka.Seq2SeqConfig:
    sizes = {"embedding_size": 3, "encoder_units": 5, "decoder_units": 7, "attention_units": 2}
    return ka.Seq2SeqConfig(11, V, **{**sizes, **options})


def sampled(schedule: Any, temperature: float = 1.0, **options: Any) -> ka.model.ScheduledSampling:
    made = ka.model.ScheduledSampling(config(**options), schedule, temperature, seed=7)
    randomize(made, seed=3, scale=1.5)
    made.compile(keras.optimizers.SGD(0.5), ka.losses.MaskedCrossEntropy())
    return made


def own(model: ka.model.ScheduledSampling, given: np.ndarray, chance: np.ndarray) -> np.ndarray:
    return to_numpy(model.read(SOURCE, TARGET, given, chance))


def chances(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((B, T)).astype("float32")


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        # max(0.3, 0.9 - 0.001 i)
        (
            schedules.Linear(c=0.001, k=0.9, minimum=0.3),
            (0, 100, 599, 5000),
            (0.9, 0.8, 0.301, 0.3),
        ),
        (schedules.Linear(c=0.1, k=1.2), (0, 1, 3, 20), (1.0, 1.0, 0.9, 0.0)),
        (schedules.Exponential(k=0.99), (0, 1, 69, 5000), (1.0, 0.99, 0.4998370, 0.0)),
        # 10 / (10 + exp(i / 10)): 10 / 11; 10 / (10 + e); 10 / (10 + e^3); exp(100) is beyond 1e43
        (schedules.InverseSigmoid(k=10), (0, 10, 30, 1000), (0.9090909, 0.7862697, 0.3323857, 0.0)),
    ],
)
def test_schedules_by_hand(schedule: Any, steps: Any, expected: Any) -> None:
    np.testing.assert_allclose([to_numpy(schedule(i)) for i in steps], expected, atol=1e-6)
    at_once = to_numpy(schedule(keras.ops.convert_to_tensor(np.array(steps, "int32"))))
    np.testing.assert_allclose(at_once, expected, atol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again == schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.Linear(c=-0.1), "`c` must not be negative. Received: c=-0.1"),
        (lambda: schedules.Linear(c=0.1, k=0.0), "`k` must be above 0. Received: k=0.0"),
        (lambda: schedules.Linear(c=0.1, minimum=1.0), "`minimum` must be at least 0 and below 1"),
        (lambda: schedules.Exponential(k=1.0), "`k` must be above 0 and below 1. Received: k=1.0"),
        (lambda: schedules.InverseSigmoid(k=0.5), "`k` must be at least 1. Received: k=0.5"),
        (lambda: sampled(schedules.Linear(0.1), temperature=-1.0), "`temperature`.*=-1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`schedule` must be a schedule .*Received: schedule=0.5"):
        ka.model.ScheduledSampling(config(), schedule=0.5)


def drawn(log_probs: np.ndarray, numbers: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The token read after a step with these log-probabilities (N, V) if the true one is not."""
    targets = np.ones((len(numbers), 2), "int32")
    chance = np.stack([numbers, numbers], axis=1)
    read = scheduled_decoding(
        lambda tokens, state: (log_probs, None, state),
        (),
        targets,
        targets == 0,
        chance,
        temperature,
    )
    return to_numpy(read)[:, 1]


def test_drawn_by_hand() -> None:
    """0.2 on the padding, which is never drawn: the others have 3/8, 4/8 and 1/8."""
    log_probs = np.log(np.array([[0.2, 0.3, 0.4, 0.1]] * 5, "float32"))
    numbers = np.array([0.0, 0.374, 0.376, 0.874, 0.876], "float32")
    assert drawn(log_probs, numbers).tolist() == [1, 1, 2, 2, 3]
    assert drawn(log_probs, numbers, temperature=0.0).tolist() == [2] * 5
    # squared: 9/26, 16/26, 1/26
    assert drawn(log_probs, numbers, temperature=0.5).tolist() == [1, 2, 2, 2, 2]


def test_what_is_drawn_has_the_distribution_of_the_model() -> None:
    p = np.array([0.05, 0.2, 0.0, 0.45, 0.3])
    numbers = (np.arange(20000) + 0.5) / 20000
    with np.errstate(divide="ignore"):
        log_probs = np.tile(np.log(p).astype("float32"), (20000, 1))
    counts = np.bincount(drawn(log_probs, numbers.astype("float32")), minlength=5)
    expected = np.where(np.arange(5) > 0, p, 0.0) / 0.95
    np.testing.assert_allclose(counts / 20000, expected, atol=2e-4)


def test_the_largest_number_draws_a_token() -> None:
    log_probs = np.log(np.full((1, 30011), 1 / 30011, "float32"))
    number = np.array([1.0 - 2.0**-24], "float32")
    assert drawn(log_probs, number).item() == 30010


@pytest.mark.thorough
@variants("attention", ["bahdanau", "luong", None])
def test_given_everything_it_is_teacher_forcing_to_the_last_bit(attention: Any) -> None:
    made = sampled(schedules.Linear(c=0.0), attention=attention)
    np.testing.assert_array_equal(own(made, chances(1), chances(2)), TARGET)
    plain = ka.Seq2Seq(made.config)
    plain.set_weights(made.get_weights())
    plain.compile(keras.optimizers.SGD(0.5), ka.losses.MaskedCrossEntropy())
    histories = [model.fit(INPUTS, LABELS, verbose=0, epochs=2).history for model in (made, plain)]
    assert histories[0] == histories[1]
    for ours, theirs in zip(made.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("temperature", [1.0, 0.6, 0.0])
def test_given_nothing_it_reads_what_it_writes_step_by_step(temperature: float) -> None:
    made = sampled(schedules.Linear(c=1.0, k=1e-9), temperature)
    chance = chances(2)
    memory, state = made.encode(SOURCE)
    tokens, expected = TARGET[:, 0], [TARGET[:, 0]]
    for t in range(T - 1):
        log_probs, _, state = made.decode_step(tokens, state, memory)
        pairs = zip(to_numpy(log_probs), chance[:, t], strict=True)
        found = [reference.drawn(p, float(u), temperature or 1e-3) for p, u in pairs]
        tokens = np.array(found)
        expected.append(tokens)
    wanted = np.where(TARGET != 0, np.transpose(expected), 0)
    read = own(made, chances(1), chance)
    np.testing.assert_array_equal(read, wanted)
    assert (read != TARGET).any()


def test_between_both_each_token_is_given_or_drawn_by_its_own_number() -> None:
    made = sampled(schedules.Linear(c=0.0, k=0.5))
    given = np.array([[0.9, 0.2, 0.7, 0.499, 0.501]] * B, "float32")
    read = own(made, given, chances(2))
    is_given = np.array([True, True, False, True, False])
    np.testing.assert_array_equal(read[:, is_given], TARGET[:, is_given])
    assert (read[0, [2, 4]] != TARGET[0, [2, 4]]).any()
    assert (read[TARGET == 0] == 0).all()
    assert (read[TARGET != 0] != 0).all()


def test_the_schedule_counts_the_steps_of_the_optimizer() -> None:
    made = sampled(schedules.Linear(c=0.25))
    given = np.full((B, T), 0.6, "float32")
    for iterations, is_true in ((0, True), (1, True), (2, False)):
        made.optimizer.iterations.assign(iterations)
        read = own(made, given, chances(2))
        assert np.array_equal(read, TARGET) == is_true


def test_only_training_reads_the_models_own_tokens_and_without_dropout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sampled(schedules.Linear(c=1.0, k=1e-9), dropout=0.5)
    plain = ka.Seq2Seq(made.config)
    plain.set_weights(made.get_weights())
    np.testing.assert_array_equal(to_numpy(made(INPUTS)), to_numpy(plain(INPUTS)))
    chance, read = chances(2), []

    def kept(*arguments: Any) -> Any:
        found = ka.model.ScheduledSampling.read(made, *arguments)
        read.append(to_numpy(found))
        return found

    monkeypatch.setattr(made, "read", kept)
    monkeypatch.setattr(keras.random, "uniform", lambda *_, **__: np.stack([chance, chance]))
    made(INPUTS, training=True)
    monkeypatch.undo()
    np.testing.assert_array_equal(read[0], own(made, chance, chance))


@each_execution
def test_the_gradient_is_that_of_teacher_forcing_with_what_was_read(
    execution: dict[str, bool],
) -> None:
    made = sampled(schedules.Linear(c=1.0, k=1e-9), temperature=0.0)  # the same whatever is sampled
    made.compile(made.optimizer, ka.losses.MaskedCrossEntropy(), **execution)
    read = own(made, chances(1), chances(2))
    plain = ka.Seq2Seq(made.config)
    plain.set_weights(made.get_weights())
    plain.compile(keras.optimizers.SGD(0.5), ka.losses.MaskedCrossEntropy(), run_eagerly=True)
    loss = plain.fit({"source": SOURCE, "target": read}, LABELS, verbose=0).history["loss"]
    assert made.fit(INPUTS, LABELS, verbose=0).history["loss"] == pytest.approx(loss, rel=1e-6)
    for ours, theirs in zip(made.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_saved_one_goes_on_where_it_was(tmp_path: Path) -> None:
    made = sampled(schedules.Exponential(k=0.5), temperature=0.7)
    made.run_eagerly = True
    made.fit(INPUTS, LABELS, verbose=0)
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, ka.model.ScheduledSampling)
    assert (loaded.schedule, loaded.temperature, loaded.seed) == (made.schedule, 0.7, 7)
    given, chance = chances(1), chances(2)
    np.testing.assert_array_equal(own(loaded, given, chance), own(made, given, chance))


def test_without_an_optimizer_there_is_no_step_to_count() -> None:
    made = ka.model.ScheduledSampling(config(), schedules.Linear(c=0.1))
    with pytest.raises(ValueError, match=r"reads the optimizer.s step count: call `compile"):
        made(INPUTS, training=True)


def test_a_backend_whose_steps_do_not_see_the_count_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sampled(schedules.Linear(c=0.1))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"trained on TensorFlow or PyTorch.*backend='jax'"):
        made(INPUTS, training=True)
