"""Steps that read the previous output instead of the input: their results, and their choice."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_attention as ka
from tests.arrays import length_mask, randomize, to_numpy, uniform

B, T, S, D, M = 3, 5, 4, 2, 7
INPUTS, MEMORY = uniform(B, T, D, seed=1), uniform(B, S, M, seed=2)
OWN = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0]], "bool")
MASK = length_mask([5, 3, 4], T)


def decoder(cell: Any = None, **options: Any) -> ka.AttentionDecoder:
    made = ka.AttentionDecoder(
        cell or keras.layers.LSTMCell(3),
        ka.LuongAttention("general"),
        attention_layer=keras.layers.Dense(D),
        **options,
    )
    made.build((B, T, D), (B, S, M))
    randomize(made, seed=3)
    return made


@pytest.mark.parametrize("options", [{}, {"query": "previous"}, {"input_feeding": False}])
@pytest.mark.parametrize("mask", [None, MASK])
def test_it_is_what_steps_give_whose_inputs_are_the_outputs_before(
    options: dict[str, Any], mask: Any
) -> None:
    layer = decoder(**options)
    results = layer(
        INPUTS, memory=MEMORY, inputs_mask=mask, reads_output=OWN, return_attention_scores=True
    )
    memory = layer.prepare(MEMORY)
    state, output = layer.initial_state(memory), np.zeros((B, D), "float32")
    for t in range(T):
        inputs = np.where(OWN[:, t, None] & (t > 0), output, INPUTS[:, t])
        new, weights, state = layer.step(inputs, state, memory)
        output = to_numpy(new)
        valid = np.ones((B, 1), bool) if mask is None else mask[:, t, None]
        for found, expected in zip(results, (output, to_numpy(weights)), strict=True):
            np.testing.assert_allclose(to_numpy(found)[:, t], expected * valid, atol=1e-6)


def test_reading_inputs_alone_is_teacher_forcing_to_the_last_bit() -> None:
    layer = decoder()
    read = layer(INPUTS, memory=MEMORY, reads_output=np.zeros((B, T), bool))
    np.testing.assert_array_equal(to_numpy(read), to_numpy(layer(INPUTS, memory=MEMORY)))


def test_the_state_is_the_decoders_own() -> None:
    layer = decoder()
    plain = layer(INPUTS, memory=MEMORY, return_state=True)
    read = layer(INPUTS, memory=MEMORY, return_state=True, reads_output=OWN)
    assert [tuple(x.shape) for x in read] == [tuple(x.shape) for x in plain]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`reads_output` must match `inputs`.*Received"):
        decoder()(INPUTS, memory=MEMORY, reads_output=OWN[:, :3])
    wide = ka.AttentionDecoder(keras.layers.LSTMCell(3), ka.LuongAttention())
    with pytest.raises(ValueError, match=r"outputs of the same size as.*outputs of 10 features"):
        wide(INPUTS, memory=MEMORY, reads_output=OWN)
    alone = ka.AttentionDecoder(keras.layers.LSTMCell(D), None)
    with pytest.raises(ValueError, match="`reads_output` needs an attention layer"):
        alone(INPUTS, reads_output=OWN)
    with pytest.raises(ValueError, match=r"`inputs` must have the axes .*Received: inputs.shape"):
        ka.recurrent.ScheduledOutputs(ka.schedules.Linear(c=0.1))(INPUTS[0])


def test_steps_are_drawn_by_the_schedule_which_counts_calls_in_training() -> None:
    layer = ka.recurrent.ScheduledOutputs(ka.schedules.Linear(c=0.25), seed=5)
    many = np.zeros((100, 200, 1), "float32")
    assert not to_numpy(layer(many)).any()
    shares = [to_numpy(layer(many, training=True)).mean() for _ in range(5)]
    np.testing.assert_allclose(shares, [0.0, 0.25, 0.5, 0.75, 1.0], atol=0.015)
    assert int(layer.steps) == 5


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_model_of_frames_learns_with_it(jit_compile: bool) -> None:
    """Each frame is half of the previous one: fed outputs teach the same as true frames."""
    frames, memory = keras.Input((None, D)), keras.Input((None, M))
    own = ka.recurrent.ScheduledOutputs(ka.schedules.Linear(c=0.02, minimum=0.1), seed=5)
    outputs = decoder()(frames, memory=memory, reads_output=own(frames))
    model = keras.Model([frames, memory], outputs)
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=jit_compile)
    first = uniform(B, 1, D, seed=4)
    given = first * 0.5 ** np.arange(T)[:, None]
    model.optimizer.build(model.trainable_variables)
    losses = model.fit([given, MEMORY], 0.5 * given, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]
    assert int(own.steps) == 60
